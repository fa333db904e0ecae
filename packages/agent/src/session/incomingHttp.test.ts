// HTTP/1 as peers, targets and clients of any age speak it: what ends a connection and what does not, messages without bodies, upgrades, tunnels, limits, and every form in
// which requests and responses travel to and from clients.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { suite, test } from "node:test";
import type { DaemonTcp, InternalHttpBodyFrame } from "@understudy/protocol";
import {
  GET,
  type Id,
  MINE,
  OK,
  assertGivenBack,
  eventually,
  hearRequest,
  manualTarget,
  nextClose,
  nextStart,
  nextSteal,
  respond,
  settled,
  steal,
} from "./incomingActorsFixture.ts";
import { httpLimits, PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const HTTP = { ...httpLimits, head: { headMaxBytes: 4096, maxFields: 20 } };
const data = (text: string): InternalHttpBodyFrame => ({ kind: "data", value: Buffer.from(text) });

function respondStart(client: Client, connectionId: Id, frames: readonly InternalHttpBodyFrame[], headers: [string, string][] = []): void {
  const internalResponse = {
    status: 200,
    version: "HTTP/1.1" as const,
    headers: headers.map(([name, value]) => [name, [Buffer.from(value)]] as const),
    body: frames,
  };
  steal(client, {
    kind: "httpResponseChunked",
    value: { kind: "start", value: { port: 0, connectionId, requestId: 0, internalResponse } },
  });
}

function respondBody(client: Client, connectionId: Id, frames: readonly InternalHttpBodyFrame[], isLast: boolean): void {
  steal(client, { kind: "httpResponseChunked", value: { kind: "body", value: { frames, isLast, connectionId, requestId: 0 } } });
}

suite("connections end when the request or the answer says so", () => {
  for (const [what, line, headers, stays] of [
    ["HTTP/1.1", "GET / HTTP/1.1", "", true],
    ["HTTP/1.1 with close", "GET / HTTP/1.1", "Connection: x, Close\r\n", false],
    ["HTTP/1.0", "GET / HTTP/1.0", "", false],
    ["HTTP/1.0 with keep-alive", "GET / HTTP/1.0", "connection: Keep-Alive\r\n", true],
  ] as const) {
    test(`a stolen request of ${what} ${stays ? "leaves it open" : "ends it"}`, async () => {
      await using pod = await PodUnderTest.start(createServer());
      using client = await pod.client();
      await pod.steal(client);
      using peer = await pod.peer();
      const request = `${line}\r\nHost: a\r\n${headers}\r\n`;
      peer.write(request);
      respond(client, (await nextStart(client)).connectionId, "mine");
      const text = await peer.until((all) => all.endsWith("mine"));
      assert.ok(text.startsWith(line.endsWith("1") ? "HTTP/1.1 200" : "HTTP/1.0 200"));
      assert.match(text, /content-length: 4\r\n/);
      if (!stays) {
        await peer.ended();
        return;
      }
      peer.write(request);
      respond(client, (await nextStart(client)).connectionId, "again");
      await peer.until((all) => all.endsWith("again"));
      assert.ok(!peer.hasEnded);
    });
  }

  test("an answer without a length to an HTTP/1.0 peer lasts until the connection ends", async () => {
    await using pod = await PodUnderTest.start(createServer());
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    peer.write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const { connectionId } = await nextStart(client);
    respondStart(client, connectionId, [data("one")]);
    respondBody(client, connectionId, [data("two")], true);
    assert.match(await peer.ended(), /^HTTP\/1\.0 200 OK\r\n[^]*\r\n\r\nonetwo$/);
    assert.doesNotMatch(peer.text, /transfer-encoding/);
  });
});

for (const [what, request, status] of [
  ["HEAD", GET("/", MINE).replace("GET", "HEAD"), 200],
  ["204", GET("/", MINE), 204],
  ["304", GET("/", MINE), 304],
] as const) {
  test(`a body is never sent with ${what}, whatever the client sends, and the connection goes on`, async () => {
    await using pod = await PodUnderTest.start(createServer());
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    peer.write(request);
    respond(client, (await nextStart(client)).connectionId, "no body", { status });
    peer.write(GET("/next"));
    respond(client, (await nextStart(client)).connectionId, "next");
    const text = await peer.until((all) => all.endsWith("next"));
    assert.ok(!text.includes("no body"));
    assert.equal(/content-length: 7/.test(text), false);
  });

  test(`a target's answer to ${what} ends with its head, and the connection goes on`, async () => {
    const target = manualTarget();
    await using pod = await PodUnderTest.start(target.server);
    using client = await pod.client();
    await pod.steal(client, "^x-user: nobody$");
    using peer = await pod.peer();
    peer.write(request + GET("/next"));
    const socket = await target.next();
    await socket.until((text) => text === request);
    const answer = `HTTP/1.1 ${status} X\r\n${status === 204 ? "" : "Content-Length: 7\r\n"}\r\n`;
    socket.socket.write(answer);
    await socket.until((text) => text === request + GET("/next"));
    socket.socket.write(OK);
    assert.equal(await peer.until((all) => all.endsWith("target")), answer + OK);
  });
}

const UPGRADE = GET("/ws", MINE, "Connection: Upgrade", "Upgrade: websocket");
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";

test("an upgrade is copied with what the peer sends on it, whoever answers, and each copy ends once", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server);
  using listener = await pod.client();
  listener.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await listener.next("tcp");

  using passed = await pod.peer();
  passed.write(UPGRADE);
  const socket = await target.next();
  await socket.until((text) => text === UPGRADE);
  socket.socket.write(SWITCH);
  await passed.until((text) => text === SWITCH);
  passed.write("\x81frame");
  await socket.until((text) => text.endsWith("\x81frame"));
  passed.socket.end();

  using stealer = await pod.client();
  await pod.steal(stealer);
  using stolen = await pod.peer();
  stolen.write(`${UPGRADE}early`);
  const { connectionId } = await nextStart(stealer);
  respond(stealer, connectionId, "", { status: 101 });
  await stolen.until((text) => text.endsWith("\r\n\r\n"));
  stolen.socket.end("late");
  let heard = "";
  for (let message = await nextSteal(stealer); ; message = await nextSteal(stealer)) {
    assert.ok(message.kind === "data");
    if (message.value.bytes.length === 0) break;
    heard += Buffer.from(message.value.bytes).toString();
  }
  assert.equal(heard, "earlylate");
  steal(stealer, { kind: "data", value: { connectionId, bytes: Buffer.from("bye") } });
  steal(stealer, { kind: "data", value: { connectionId, bytes: new Uint8Array(0) } });
  await stolen.ended();
  assert.ok(stolen.text.endsWith("bye"));
  assert.equal(await nextClose(stealer), connectionId);

  await eventually(
    () => listener.messages.filter((one) => one.kind === "tcp" && one.value.kind === "close").length === 2,
    "the copies do not end",
  );
  const copied = new Map<Id, string>();
  for (const { kind, value } of listener.messages as { kind: string; value: DaemonTcp }[]) {
    if (kind !== "tcp" || value.kind !== "data") continue;
    copied.set(value.value.connectionId, (copied.get(value.value.connectionId) ?? "") + Buffer.from(value.value.bytes).toString("latin1"));
  }
  assert.deepEqual([...copied.values()], [Buffer.from("\x81frame").toString("latin1"), "earlylate"]);
  for (const one of [passed, stolen, stealer, listener]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});

for (const isOld of [true, false]) {
  test(`a filtered upgrade ${isOld ? "is passed on for a client that is too old for it" : "is stolen by a client that knows upgrades"}`, async () => {
    const target = manualTarget();
    await using pod = await PodUnderTest.start(target.server);
    using client = await pod.client(isOld ? "1.4.0" : "1.5.0");
    await pod.steal(client, `^${MINE}$`);
    using peer = await pod.peer();
    peer.write(UPGRADE);
    if (isOld) {
      await (await target.next()).until((text) => text === UPGRADE);
      assert.match((await client.next("logMessage")).value.message, /^An HTTP request was not stolen due to .*: >=1\.5\.0/);
    } else assert.equal((await nextSteal(client)).kind, "httpRequestFramed");
  });
}

test("a tunnel is the target's, as the first request and after a stolen one, and then no longer HTTP", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client);
  const connect = "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n";
  for (const isFirst of [true, false]) {
    using peer = await pod.peer();
    if (!isFirst) {
      peer.write(GET("/"));
      respond(client, (await nextStart(client)).connectionId, "mine");
      await peer.until((text) => text.endsWith("mine"));
      await nextClose(client);
    }
    peer.write(connect);
    const socket = await target.next();
    await socket.until((text) => text === connect);
    socket.socket.write("HTTP/1.1 200 Connected\r\n\r\n");
    await peer.until((text) => text.endsWith("Connected\r\n\r\n"));
    peer.write(`\x16tls${GET("/inside")}`);
    await socket.until((text) => text === `${connect}\x16tls${GET("/inside")}`);
    await settled(client);
    assert.ok(!client.messages.some(({ kind }) => kind === "tcpSteal"));
  }
});

for (const [what, large] of [
  ["of too many bytes", GET("/large", MINE, `X: ${"y".repeat(5000)}`)],
  ["of too many fields", GET("/large", MINE, ...Array.from({ length: 30 }, (_, i) => `X-${i}: y`))],
] as const) {
  test(`a head ${what} is the target's, and refused after a stolen request`, async () => {
    const target = manualTarget();
    await using pod = await PodUnderTest.start(target.server, { http: HTTP });
    using client = await pod.client();
    await pod.steal(client, `^${MINE}$`);
    using first = await pod.peer();
    first.write(large);
    const socket = await target.next();
    await socket.until((text) => text === large);
    socket.socket.write(OK);
    await first.until((text) => text === OK);

    using second = await pod.peer();
    second.write(GET("/", MINE));
    respond(client, (await nextStart(client)).connectionId, "mine");
    await second.until((text) => text.endsWith("mine"));
    second.write(large);
    assert.match(await second.ended(), /mineHTTP\/1\.1 431 Request Header Fields Too Large\r\nconnection: close\r\n/);
  });
}

const CHUNKED = `POST / HTTP/1.1\r\nHost: a\r\n${MINE}\r\nTransfer-Encoding: chunked\r\n\r\n`;
for (const [version, first, trailers] of [
  ["1.2.2", "httpRequest", 0],
  ["1.3.0", "httpRequestFramed", 1],
  ["1.6.9", "httpRequestFramed", 1],
  ["1.7.0", "startV1", 1],
  ["1.18.9", "startV1", 1],
  ["1.19.0", "startV2", 1],
  ["1.29.0", "startV2", 1],
] as const) {
  for (const comes of ["with its head", "later", "in pieces"]) {
    test(`a client of version ${version} gets a body that comes ${comes} in its own form, and one end`, async () => {
      await using pod = await PodUnderTest.start(createServer());
      using client = await pod.client(version);
      await pod.steal(client, `^${MINE}$`);
      using peer = await pod.peer();
      const body = "3\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n";
      const hearing = hearRequest(client, version);
      if (comes === "with its head") peer.write(CHUNKED + body);
      else {
        peer.write(CHUNKED);
        for (const piece of comes === "later" ? [body] : body.split(/(?<=\n)/)) {
          await new Promise((resolve) => setTimeout(resolve, 5)); // so that it is read apart
          peer.write(piece);
        }
      }
      const heard = await hearing;
      assert.equal(heard.kinds[0], first);
      assert.equal(heard.body, "abcde");
      assert.equal(heard.trailers, trailers);
      respond(client, 0, "ok");
      assert.equal(await nextClose(client), 0);
      await peer.until((text) => text.endsWith("ok"));
      await settled(client);
      assert.ok(!client.messages.some(({ kind }) => kind === "tcpSteal"), "nothing comes after the end");
    });
  }
}

suite("responses in every form", () => {
  async function answered(
    answer: (client: Client, id: Id) => void,
    peerText = GET("/", "TE: trailers"),
  ): Promise<{ text: string; error: Error | null; closes: number }> {
    await using pod = await PodUnderTest.start(createServer());
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    peer.write(peerText);
    const { connectionId } = await nextStart(client);
    answer(client, connectionId);
    peer.socket.end();
    await peer.ended();
    await settled(client);
    const closes = client.messages.filter((one) => one.kind === "tcpSteal" && one.value.kind === "close").length;
    assert.deepEqual(
      pod.agent.log.events.filter(({ code }) => code === "AGENT_BUG"),
      [],
    );
    return { text: peer.text, error: peer.error, closes };
  }
  const plain = (client: Client, connectionId: Id): void =>
    steal(client, {
      kind: "httpResponse",
      value: {
        port: 0,
        connectionId,
        requestId: 0,
        internalResponse: { status: 201, version: "HTTP/1.1", headers: [], body: Buffer.from("plain") },
      },
    });

  test("plain", async () => {
    const { text, closes } = await answered(plain);
    assert.match(text, /^HTTP\/1\.1 201 Created\r\ncontent-length: 5\r\ndate: .*\r\n\r\nplain$/);
    assert.equal(closes, 1);
  });

  test("framed, with trailers", async () => {
    const { text, closes } = await answered((client, connectionId) => {
      const body: InternalHttpBodyFrame[] = [data("one"), data(""), data("two"), { kind: "trailers", value: [["t", [Buffer.from("1")]]] }];
      const internalResponse = { status: 200, version: "HTTP/1.1" as const, headers: [["trailer", [Buffer.from("t")]] as const], body };
      steal(client, { kind: "httpResponseFramed", value: { port: 0, connectionId, requestId: 0, internalResponse } });
    });
    assert.match(text, /transfer-encoding: chunked\r\n[^]*\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nt: 1\r\n\r\n$/);
    assert.equal(closes, 1);
  });

  test("chunked", async () => {
    const { text, closes } = await answered((client, id) => {
      respondStart(client, id, []);
      respondBody(client, id, [data("one"), data("")], false);
      respondBody(client, id, [], false);
      respondBody(client, id, [data("two")], true);
    });
    assert.match(text, /transfer-encoding: chunked\r\n[^]*\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n$/);
    assert.equal(closes, 1);
  });

  test("what comes before, beside or after an answer is ignored", async () => {
    const { text, closes } = await answered((client, id) => {
      respondBody(client, id, [data("too early")], true);
      steal(client, { kind: "data", value: { connectionId: id, bytes: Buffer.from("no upgrade") } });
      respond(client, 77, "unknown");
      plain(client, id);
      plain(client, id);
      respondBody(client, id, [data("too late")], true);
    });
    assert.match(text, /\r\n\r\nplain$/);
    assert.equal(closes, 1);
  });

  test("given up before the head: a 502, and no end is told", async () => {
    const { text, closes } = await answered((client, connectionId) =>
      steal(client, { kind: "httpResponseChunked", value: { kind: "error", value: { connectionId, requestId: 0 } } }),
    );
    assert.match(text, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
    assert.equal(closes, 0);
  });

  for (const [what, cut] of [
    [
      "given up",
      (client: Client, connectionId: Id) =>
        steal(client, { kind: "httpResponseChunked", value: { kind: "error", value: { connectionId, requestId: 0 } } }),
    ],
    ["longer than it said", (client: Client, id: Id) => respondBody(client, id, [data("abcdefgh")], false)],
    ["shorter than it said", (client: Client, id: Id) => respondBody(client, id, [data("a")], true)],
  ] as const) {
    test(`${what} inside the body: the peer can tell`, async () => {
      const { text, error, closes } = await answered((client, id) => {
        respondStart(client, id, [data("half")], [["content-length", "10"]]);
        cut(client, id);
      });
      assert.ok(!text.includes("abcdefgh"));
      assert.ok(error !== null || text.length === 0, "the answer seems whole");
      assert.equal(closes, what === "given up" ? 0 : 1);
    });
  }

  test("with a length that is none: the peer gets a 502 and the client is told", async () => {
    const { text, closes } = await answered((client, id) =>
      respond(client, id, "", { headers: [["content-length", [Buffer.from("0x1")]]] }),
    );
    assert.match(text, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
    assert.equal(closes, 1);
  });
});

test("64 MiB go up to a client and down to a peer, exactly, and little of it is ever held", async () => {
  await using pod = await PodUnderTest.start(createServer());
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  const size = 64 << 20;
  const block = Buffer.alloc(1 << 20);
  for (let i = 0; i < block.length; i += 4) block.writeUInt32LE(i ^ 0x5bd1e995, i);
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, pod.agent.budget.usedBytes)), 5);
  peer.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  const { connectionId } = await nextStart(client);
  respondStart(client, connectionId, [], [["content-length", String(size)]]);
  let got = 0;
  let down = 0;
  peer.socket.removeAllListeners("data");
  peer.socket.on("data", (chunk: Buffer) => (down += chunk.length));
  const sending = (async () => {
    for (let sent = 0; sent < size; sent += block.length) {
      if (!peer.socket.write(block)) await new Promise((resolve) => peer.socket.once("drain", resolve));
    }
  })();
  for (let isLast = false; !isLast;) {
    const message = await nextSteal(client);
    assert.ok(message.kind === "httpRequestChunked" && message.value.kind === "body");
    ({ isLast } = message.value.value);
    for (const frame of message.value.value.frames) {
      assert.ok(frame.kind === "data");
      const { value } = frame;
      for (let at = 0; at < value.length;) {
        const from = (got + at) % block.length;
        const length = Math.min(value.length - at, block.length - from);
        assert.equal(Buffer.compare(value.subarray(at, at + length), block.subarray(from, from + length)), 0);
        at += length;
      }
      got += value.length;
    }
    respondBody(client, connectionId, message.value.value.frames, isLast);
  }
  await sending;
  assert.equal(got, size);
  assert.equal(await nextClose(client), connectionId);
  await eventually(() => down >= size, "the answer does not arrive");
  clearInterval(watch);
  assert.ok(most < 4 << 20, `${most} bytes were held`);
});
