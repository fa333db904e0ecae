// Look-ups as a session asks for them, against servers that the test runs itself.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Log } from "../log/log.ts";
import { RemoteError } from "../errors/remoteError.ts";
import { createResolver, type LookupFamily, type Resolver, type ResolverOptions } from "./resolver.ts";
import { addresses, startStubServer, type StubHandler, type StubServer } from "./stubServerFixture.ts";

const signal = new AbortController().signal;
const nameError = { rcode: 3 } as const;

interface Files {
  hosts?: string | Error;
  resolvConf?: string | Error;
}

interface Fixture extends AsyncDisposable {
  readonly resolver: Resolver;
  readonly stub: StubServer;
  readonly files: Files;
  readonly events: string[];
  readonly underWay: { value: number; add(n: number): void };
  lookup(node: string, family?: LookupFamily): Promise<string[]>;
}

function systemError(code: string, errno: number): Error {
  return Object.assign(new Error(code), { code, errno });
}

async function start(answer: StubHandler, files: Files = {}, options: Partial<ResolverOptions> = {}): Promise<Fixture> {
  const stub = await startStubServer(answer);
  const contents: Files = { hosts: "127.0.0.1 localhost\n", resolvConf: "nameserver 127.0.0.1\n", ...files };
  const events: string[] = [];
  const log: Log = {
    isDebug: false,
    isTrace: false,
    trace: () => undefined,
    debug: () => undefined,
    event: (code, fields) => events.push(`${code} ${String(fields?.["path"])}`),
    child: () => log,
  };
  const underWay = {
    value: 0,
    add(n: number) {
      this.value += n;
    },
  };
  const resolver = createResolver({
    readTargetFile: async (path) => {
      const content = path === "/etc/hosts" ? contents.hosts : contents.resolvConf;
      if (content instanceof Error) throw content;
      await nextTurn();
      return Buffer.from(content ?? "");
    },
    log,
    requestCount: underWay,
    serverPort: stub.port,
    ...options,
  });
  return {
    resolver,
    stub,
    files: contents,
    events,
    underWay,
    lookup: async (node, family = "both") => {
      const records = await resolver.lookup({ node, family }, signal);
      return records.map(({ name, ip }) => `${name} ${ip}`);
    },
    [Symbol.asyncDispose]: async () => {
      resolver[Symbol.dispose]();
      await stub[Symbol.asyncDispose]();
    },
  };
}

/** The kind of a failed look-up. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof RemoteError, String(error));
    assert.equal(error.response.kind, "dnsLookup");
    return error.response.kind === "dnsLookup" ? error.response.value.kind : null;
  }
  return assert.fail("the look-up should fail");
}

const dual: StubHandler = ({ name, type }) => {
  if (name.toLowerCase() !== "db.example") return nameError;
  return { answers: addresses(name, type as "A" | "AAAA", type === "A" ? ["10.0.0.1", "10.0.0.2"] : ["fd00::1"]) };
};

test("each address family gets the records it asks for, IPv4 first", async () => {
  await using all = await start(dual);
  assert.deepEqual(await all.lookup("db.example", "ipv4Only"), ["db.example. 10.0.0.1", "db.example. 10.0.0.2"]);
  assert.deepEqual(await all.lookup("db.example", "ipv6Only"), ["db.example. fd00::1"]);
  assert.deepEqual(await all.lookup("db.example", "both"), ["db.example. 10.0.0.1", "db.example. 10.0.0.2", "db.example. fd00::1"]);
  assert.deepEqual(await all.lookup("db.example", "any"), ["db.example. 10.0.0.1", "db.example. 10.0.0.2"]);
  assert.equal((await all.lookup("db.example", "unknownAddressFamilyFromNewerClient")).length, 3);
  assert.equal(all.underWay.value, 0);
});

test("any asks for IPv6 only when there is no IPv4 address", async () => {
  await using all = await start(({ name, type }) => ({ answers: type === "AAAA" ? addresses(name, "AAAA", ["fd00::7"]) : [] }));
  assert.deepEqual(await all.lookup("six.example", "any"), ["six.example. fd00::7"]);
  assert.deepEqual(
    all.stub.queries.map(({ question }) => question.type),
    ["A", "AAAA"],
  );
});

test("names of answers are in lower case, and another spelling is the same name", async () => {
  await using all = await start(dual);
  assert.deepEqual(await all.lookup("DB.Example", "ipv6Only"), ["db.example. fd00::1"]);
  assert.deepEqual(await all.lookup("db.example", "ipv6Only"), ["db.example. fd00::1"]);
  assert.equal(all.stub.queries.length, 1);
});

test("the name of a record is its owner after aliases", async () => {
  await using all = await start(({ name, type }) => ({
    answers: [
      { type: "CNAME", name, ttl: 30, data: "middle.example" },
      { type: "CNAME", name: "middle.example", ttl: 30, data: "last.example" },
      ...addresses("last.example", type as "A", ["10.1.1.1"]),
      ...addresses("unrelated.example", type as "A", ["10.6.6.6"]),
    ],
  }));
  assert.deepEqual(await all.lookup("www.example", "ipv4Only"), ["last.example. 10.1.1.1"]);
});

test("literals, localhost and the hosts file are answered without a server", async () => {
  await using all = await start(() => nameError, { hosts: "10.9.9.9 pod pod.ns # me\nfd00::9 pod\n" });
  assert.deepEqual(await all.lookup("10.0.0.1"), ["10.0.0.1 10.0.0.1"]);
  assert.deepEqual(await all.lookup("FD00:0::1", "ipv4Only"), [" fd00::1"]);
  assert.deepEqual(await all.lookup("localhost"), ["localhost. 127.0.0.1", "localhost. ::1"]);
  assert.deepEqual(await all.lookup("a.localhost", "ipv6Only"), ["a.localhost. ::1"]);
  assert.deepEqual(await all.lookup("Pod"), ["pod. 10.9.9.9", "pod. fd00::9"]);
  assert.deepEqual(await all.lookup("pod.ns."), ["pod.ns. 10.9.9.9"]);
  assert.equal(all.stub.queries.length, 0);
});

test("the search list is tried by dots as glibc does, and an absolute name is asked for alone", async () => {
  const known = new Set(["svc.ns.svc.cluster", "a.b"]);
  await using all = await start(({ name }) => (known.has(name) ? { answers: addresses(name, "A", ["10.0.0.5"]) } : nameError), {
    resolvConf: "nameserver 127.0.0.1\nsearch other ns.svc.cluster\noptions ndots:2\n",
  });
  const asked = () => all.stub.queries.splice(0).map(({ question }) => question.name);
  assert.deepEqual(await all.lookup("svc", "ipv4Only"), ["svc.ns.svc.cluster. 10.0.0.5"]);
  assert.deepEqual(asked(), ["svc.other", "svc.ns.svc.cluster"]);
  assert.deepEqual(await all.lookup("a.b", "ipv4Only"), ["a.b. 10.0.0.5"]);
  assert.deepEqual(asked(), ["a.b.other", "a.b.ns.svc.cluster", "a.b"]);
  assert.deepEqual(await failure(all.lookup("x.y.z", "ipv4Only")), { kind: "noRecordsFound", value: 3 });
  assert.deepEqual(asked(), ["x.y.z", "x.y.z.other", "x.y.z.ns.svc.cluster"]);
  assert.deepEqual(await failure(all.lookup("svc.", "ipv4Only")), { kind: "noRecordsFound", value: 3 });
  assert.deepEqual(asked(), ["svc"]);
});

test("failures have the kinds of the protocol", async () => {
  await using all = await start(({ name }) => (name === "broken" ? { rcode: 2 } : name === "none" ? {} : nameError));
  assert.deepEqual(await failure(all.lookup("")), { kind: "noRecordsFound", value: 3 });
  assert.deepEqual(await failure(all.lookup(".")), { kind: "noRecordsFound", value: 3 });
  assert.deepEqual(await failure(all.lookup("missing")), { kind: "noRecordsFound", value: 3 });
  assert.deepEqual(await failure(all.lookup("none")), { kind: "noRecordsFound", value: 0 });
  assert.deepEqual(await failure(all.lookup("broken")), { kind: "message", value: "DNS server error response: SERVFAIL" });
  const rejected = ["a..b", "x".repeat(70), "abcdefgh.".repeat(30), "a b", "a\0b", "\ud800", "..", "a/b", "x".repeat(1_000_000), "[::1]"];
  for (const node of rejected) {
    const kind = (await failure(all.lookup(node))) as { kind: string; value: string };
    assert.equal(kind.kind, "message");
    assert.match(kind.value, /^node name rejected/);
  }
  assert.equal(all.events.length, 0);
});

test("missing and unreadable resolver files are told to the client and the admin", async () => {
  await using missing = await start(() => nameError, { resolvConf: systemError("ENOENT", -2), hosts: systemError("ENOENT", -2) });
  assert.deepEqual(await failure(missing.lookup("x")), { kind: "notFound" });
  assert.deepEqual(missing.events, ["RESOLVER_FILE_UNREADABLE /etc/resolv.conf"]);
  assert.deepEqual(await missing.lookup("localhost", "ipv4Only"), ["localhost. 127.0.0.1"]);

  await using denied = await start(() => nameError, { hosts: systemError("EACCES", -13) });
  assert.deepEqual(await failure(denied.lookup("x")), { kind: "permissionDenied" });
  assert.deepEqual(await failure(denied.lookup("x")), { kind: "permissionDenied" });
  assert.deepEqual(denied.events, ["RESOLVER_FILE_UNREADABLE /etc/hosts"]);

  await using empty = await start(() => nameError, { resolvConf: "" });
  assert.deepEqual(await failure(empty.lookup("x")), { kind: "message", value: "io error: other error" });
});

test("a changed file counts after a second", async () => {
  let now = 0;
  await using all = await start(() => nameError, {}, { now: () => now });
  assert.deepEqual(await failure(all.lookup("new")), { kind: "noRecordsFound", value: 3 });
  all.files.hosts = "10.2.2.2 new\n";
  now += 1001;
  assert.deepEqual(await all.lookup("new"), ["new. 10.2.2.2"]);
});

test("a truncated answer is fetched over TCP", async () => {
  const many = Array.from({ length: 200 }, (_, i) => `10.0.1.${i}`);
  await using all = await start(({ name }, via) => (via === "udp" ? { flags: 0x200 } : { answers: addresses(name, "A", many) }));
  assert.equal((await all.lookup("many.example", "ipv4Only")).length, 200);
  assert.deepEqual(
    all.stub.queries.map(({ via }) => via),
    ["udp", "tcp"],
  );
});

test("use-vc goes to TCP at once, edns0 offers larger answers", async () => {
  await using all = await start(dual, { resolvConf: "nameserver 127.0.0.1\noptions use-vc edns0\n" });
  assert.equal((await all.lookup("db.example")).length, 3);
  assert.deepEqual(new Set(all.stub.queries.map(({ via }) => via)), new Set(["tcp"]));
  assert.equal(all.stub.queries[0]?.packet.additionals?.[0]?.type, "OPT");
});

test("answers with another id or question do not count, and silence is a timeout after all tries", async () => {
  await using all = await start(
    ({ name, type }, _via, { id = 0 }) => {
      const forged = Buffer.alloc(12);
      forged.writeUInt16BE((id + 1) & 0xffff, 0);
      forged.writeUInt16BE(0x8183, 2);
      return name === "other.example" ? { questions: [{ name: "evil.example", type }], answers: [] } : forged;
    },
    {},
    { timeoutMs: 60, attempts: 1 },
  );
  assert.deepEqual(await failure(all.lookup("silent.example", "ipv4Only")), { kind: "timeout" });
  assert.equal(all.stub.queries.length, 2);
  assert.deepEqual(await failure(all.lookup("other.example", "ipv4Only")), { kind: "timeout" });
});

test("malformed answers are named as such", async () => {
  await using all = await start(({ name, type }) => {
    return { answers: [{ name, type: "NULL", ttl: 1, data: Buffer.alloc(4) } as never, ...addresses(name, type as "A", ["10.0.0.1"])] };
  });
  // Records of other kinds are no fault.
  assert.deepEqual(await all.lookup("odd.example", "ipv4Only"), ["odd.example. 10.0.0.1"]);

  await using cut = await start(({ name, type }, _via, { id = 0 }) => {
    const question = Buffer.from(`\x03odd\x07example\0\0\x01\0\x01`, "latin1");
    const head = Buffer.from([id >> 8, id & 255, 0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0]);
    assert.ok(name === "odd.example" && type === "A");
    return Buffer.concat([head, question, Buffer.from([0xc0, 0x0c, 0, 1])]);
  });
  assert.deepEqual(await failure(cut.lookup("odd.example", "ipv4Only")), { kind: "message", value: "proto error: record is cut off" });
});

test("a second server is asked when the first refuses the connection or answers with an error", async () => {
  await using all = await start(dual, { resolvConf: "nameserver 127.0.0.9\nnameserver 127.0.0.1\n" });
  assert.deepEqual(await all.lookup("db.example", "ipv6Only"), ["db.example. fd00::1"]);
  await using failing = await startStubServer(() => ({ rcode: 5 }), "127.0.0.8", all.stub.port);
  all.files.resolvConf = "nameserver 127.0.0.8\nnameserver 127.0.0.1\n";
  await using other = await start(dual, all.files, { serverPort: all.stub.port });
  assert.deepEqual(await other.lookup("db.example", "ipv6Only"), ["db.example. fd00::1"]);
  assert.equal(failing.queries.length, 1);
});

test("a silent first server costs less than its timeout", async () => {
  await using all = await start(dual, { resolvConf: "nameserver 127.0.0.8\nnameserver 127.0.0.1\n" });
  await using silent = await startStubServer(() => null, "127.0.0.8", all.stub.port);
  const started = performance.now();
  assert.deepEqual(await all.lookup("db.example", "ipv6Only"), ["db.example. fd00::1"]);
  assert.ok(performance.now() - started < 2500);
  assert.equal(silent.queries.length, 1);
  assert.equal(all.resolver.usage.asking, 0);
});

test("equal look-ups share a query, and answers are kept for their time to live", async () => {
  let now = 0;
  await using all = await start(
    ({ name, type }) =>
      name === "gone.example"
        ? {
            rcode: 3,
            authorities: [{ type: "SOA", name: "example", ttl: 600, data: { mname: "n.example", rname: "r.example", minimum: 5 } }],
          }
        : { answers: addresses(name, type as "A", ["10.0.0.1"], 3) },
    {},
    { now: () => now },
  );
  const sessions = Array.from({ length: 20 }, () => new AbortController().signal);
  await Promise.all(sessions.map((each) => all.resolver.lookup({ node: "x.example", family: "ipv4Only" }, each)));
  assert.equal(all.stub.queries.length, 1);
  now += 2900;
  await all.lookup("x.example", "ipv4Only");
  assert.equal(all.stub.queries.length, 1);
  now += 200;
  await all.lookup("x.example", "ipv4Only");
  assert.equal(all.stub.queries.length, 2);

  for (let i = 0; i < 2; i++) assert.deepEqual(await failure(all.lookup("gone.example", "ipv4Only")), { kind: "noRecordsFound", value: 3 });
  assert.equal(all.stub.queries.length, 3);
  now += 5100;
  await failure(all.lookup("gone.example", "ipv4Only"));
  assert.equal(all.stub.queries.length, 4);
});

test("an abort ends a look-up at once, and only that session's", async () => {
  let reply: (() => void) | undefined;
  const arrived = new EventTarget();
  await using all = await start(
    ({ name }, _via, packet) => {
      void packet;
      arrived.dispatchEvent(new Event("query"));
      return reply === undefined ? null : { answers: addresses(name, "A", ["10.0.0.1"]) };
    },
    {},
    { timeoutMs: 300 },
  );
  const gone = new AbortController();
  const first = all.resolver.lookup({ node: "x.example", family: "ipv4Only" }, gone.signal);
  const second = all.resolver.lookup({ node: "x.example", family: "ipv4Only" }, signal);
  await once(arrived as never, "query");
  const reason = new Error("session is gone");
  gone.abort(reason);
  await assert.rejects(first, reason);
  reply = () => undefined;
  assert.equal((await second)[0]?.ip, "10.0.0.1");

  const last = new AbortController();
  reply = undefined;
  const alone = all.resolver.lookup({ node: "y.example", family: "both" }, last.signal);
  await once(arrived as never, "query");
  last.abort(reason);
  await assert.rejects(alone, reason);
  assert.equal(all.resolver.usage.asking, 0);
  assert.equal(all.underWay.value, 0);
});

test("two thousand unanswered look-ups of one session use few sockets and do not hold up another's", async () => {
  await using all = await start(({ name, type }) =>
    name === "db.example" && type === "A" ? { answers: addresses(name, "A", ["10.0.0.1"]) } : null,
  );
  const flood = new AbortController();
  const unanswered = Array.from({ length: 2000 }, (_, i) => all.resolver.lookup({ node: `n${i}.example`, family: "both" }, flood.signal));
  const outcomes = Promise.allSettled(unanswered);
  assert.deepEqual(await all.lookup("db.example", "ipv4Only"), ["db.example. 10.0.0.1"]);
  assert.equal(all.resolver.usage.asking, 32);
  assert.ok(all.resolver.usage.sockets <= 8, String(all.resolver.usage.sockets));
  assert.equal(all.underWay.value, 2000);
  flood.abort(new Error("gone"));
  assert.ok((await outcomes).every(({ status }) => status === "rejected"));
  assert.equal(all.underWay.value, 0);
  assert.equal(all.resolver.usage.asking, 0);
});

test("a look-up as a whole has a deadline, also when a file never comes", async () => {
  await using all = await start(() => null, {}, { deadlineMs: 50 });
  assert.deepEqual(await failure(all.lookup("x")), { kind: "timeout" });
  let reads = 0;
  await using hanging = await start(
    () => null,
    {},
    {
      deadlineMs: 30,
      readTargetFile: () => {
        reads++;
        return new Promise<Uint8Array>(() => undefined);
      },
    },
  );
  assert.deepEqual(await failure(hanging.lookup("x")), { kind: "timeout" });
  assert.deepEqual(await failure(hanging.lookup("x")), { kind: "timeout" });
  assert.equal(reads, 1);
});

test("reverse look-ups use the hosts file, then the servers", async () => {
  await using all = await start(
    ({ name, type }) => {
      const known = name === "4.3.2.1.in-addr.arpa" || name.startsWith("1.0.0.0.0.0.");
      return known && type === "PTR" ? { answers: [{ name, type: "PTR", ttl: 5, data: "host.example" }] } : nameError;
    },
    { hosts: "10.0.0.9 mine.example alias\n" },
  );
  assert.equal(await all.resolver.reverse("10.0.0.9", signal), "mine.example");
  assert.equal(await all.resolver.reverse("1.2.3.4", signal), "host.example");
  assert.equal(await all.resolver.reverse("fd00::1", signal), "host.example");
  assert.equal(await all.resolver.reverse("::ffff:1.2.3.4", signal), "host.example");
  assert.equal(await all.resolver.reverse("::ffff:10.0.0.9", signal), "mine.example");
  await assert.rejects(all.resolver.reverse("9.9.9.9", signal), (error) => {
    assert.ok(error instanceof RemoteError);
    assert.deepEqual(error.response, { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "other" } } });
    return true;
  });
});

test("names in the hosts file are answered fast", async () => {
  await using all = await start(() => nameError, { hosts: "10.9.9.9 pod\n" });
  await all.lookup("pod");
  const started = performance.now();
  for (let i = 0; i < 20_000; i++) await all.resolver.lookup({ node: "pod", family: "both" }, signal);
  const perSecond = 20_000 / ((performance.now() - started) / 1000);
  assert.ok(perSecond > 30_000, `${Math.round(perSecond)} per second`);
});
