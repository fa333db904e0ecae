// Queries in and answers out, with names that a test gives.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "@understudy/client";
import type { ResponseError } from "@understudy/protocol";
import { decode, type DecodedPacket, encode, type OptAnswer, type Packet, RECURSION_DESIRED } from "dns-packet";
import fc from "fast-check";
import { answerQuery, busyAnswer, type Names } from "./answerQuery.ts";

const notFound = (code: number): ResponseError => ({ kind: "dnsLookup", value: { kind: { kind: "noRecordsFound", value: code } } });

const failures: Readonly<Record<string, ResponseError>> = {
  missing: notFound(3),
  empty: notFound(0),
  refused: notFound(5),
  slow: { kind: "dnsLookup", value: { kind: { kind: "timeout" } } },
};

const names: Names = {
  addresses: (name, family) => {
    const failure = failures[name];
    if (failure !== undefined) return Promise.reject(new AgentError(`look up ${name}`, failure));
    if (name === "broken") return Promise.reject(new Error("the session is over"));
    const count = name === "many" ? 100 : 1;
    return Promise.resolve(
      Array.from({ length: count }, (_, i) => (family === "ipv4Only" ? `10.0.0.${i + 1}` : `fd00::${(i + 1).toString(16)}`)),
    );
  },
  nameOf: (ip) =>
    ip === "10.0.0.1" || ip === "fd00::1"
      ? Promise.resolve("db.example")
      : Promise.reject(new AgentError(`look up ${ip}`, { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "other" } } })),
};

const opt = (udpPayloadSize: number, ednsVersion = 0): OptAnswer => ({
  type: "OPT",
  name: ".",
  udpPayloadSize,
  ednsVersion,
  extendedRcode: 0,
  flags: 0,
  flag_do: false,
  options: [],
});

function query(name: string, type: string, more: Partial<Packet> = {}): Buffer {
  const questions = [{ name, type: type as "A", class: "IN" as const }];
  return encode({ type: "query", id: 0x1234, flags: RECURSION_DESIRED, questions, ...more });
}

async function ask(
  bytes: Buffer,
  transport: "udp" | "tcp" = "udp",
): Promise<DecodedPacket & { readonly rcode?: string; readonly bytes: number }> {
  const answer = await answerQuery(bytes, transport, names);
  assert.ok(answer.bytes !== null);
  return { ...decode(answer.bytes), bytes: answer.bytes.length };
}

const dataOf = ({ answers = [] }: DecodedPacket): unknown[] => answers.map((answer) => ("data" in answer ? answer.data : null));

suite("answers to DNS queries", () => {
  test("addresses of either family, with the question as it was asked", async () => {
    const answer = await ask(query("Db.Example", "A"));
    assert.deepEqual(
      [answer.id, answer.type, answer.rcode, answer.flag_rd, answer.flag_ra, answer.flag_tc],
      [0x1234, "response", "NOERROR", true, true, false],
    );
    assert.deepEqual(answer.questions, [{ name: "Db.Example", type: "A", class: "IN" }]);
    assert.deepEqual(answer.answers, [{ name: "Db.Example", type: "A", ttl: 5, class: "IN", flush: false, data: "10.0.0.1" }]);
    assert.deepEqual(dataOf(await ask(query("db", "AAAA"))), ["fd00::1"]);
  });

  test("names of addresses of either family", async () => {
    assert.deepEqual(dataOf(await ask(query("1.0.0.10.in-addr.arpa", "PTR"))), ["db.example"]);
    const six = `1.${"0.".repeat(29)}d.f.ip6.arpa`;
    assert.deepEqual(dataOf(await ask(query(six, "PTR"))), ["db.example"]);
  });

  test("what there is not, and what fails", async () => {
    const cases: readonly (readonly [string, string, string])[] = [
      ["missing", "A", "NXDOMAIN"],
      ["empty", "AAAA", "NOERROR"],
      ["refused", "A", "SERVFAIL"],
      ["slow", "A", "SERVFAIL"],
      ["broken", "A", "SERVFAIL"],
      ["9.0.0.10.in-addr.arpa", "PTR", "NXDOMAIN"],
      ["0.10.in-addr.arpa", "PTR", "NXDOMAIN"],
      ["db", "MX", "NOTIMP"],
      ["db", "TXT", "NOTIMP"],
    ];
    for (const [name, type, expected] of cases) {
      const answer = await ask(query(name, type));
      assert.deepEqual([answer.rcode, answer.answers], [expected, []], `${name} ${type}`);
    }
    const chaos = query("db", "A", { questions: [{ name: "db", type: "A", class: "CH" }] });
    assert.equal((await ask(chaos)).rcode, "REFUSED");
  });

  test("an answer that is too long for its transport is cut and says so", async () => {
    const plain = await ask(query("many", "A"));
    assert.deepEqual([plain.flag_tc, plain.answers], [true, []]);
    assert.equal((await ask(query("many", "A"), "tcp")).answers?.length, 100);
    assert.equal((await ask(query("many", "A", { additionals: [opt(1232)] }))).flag_tc, true);
    const some = { ...names, addresses: () => Promise.resolve(Array.from({ length: 30 }, (_, i) => `10.0.0.${i}`)) };
    const edns = await answerQuery(query("some", "A", { additionals: [opt(4096)] }), "udp", some);
    assert.equal(decode(edns.bytes ?? Buffer.alloc(0)).answers?.length, 30);
    assert.equal(decode((await answerQuery(query("some", "A"), "udp", some)).bytes ?? Buffer.alloc(0)).flag_tc, true);
  });

  test("EDNS is answered with EDNS, and a version of it that there is not is refused", async () => {
    assert.equal((await ask(query("db", "A"))).additionals?.length, 0);
    const [own] = (await ask(query("db", "A", { additionals: [opt(4096)] }))).additionals ?? [];
    assert.ok(own?.type === "OPT" && own.udpPayloadSize === 1232);
    const newer = await ask(query("db", "A", { additionals: [opt(4096, 1)] }));
    const [refused] = newer.additionals ?? [];
    assert.ok(refused?.type === "OPT" && refused.extendedRcode === 1);
    assert.deepEqual(newer.answers, []);
  });

  test("what is no query has a header for an answer, or none", async () => {
    const good = query("db", "A");
    const header = async (bytes: Buffer): Promise<string | undefined> => {
      const answer = await answerQuery(bytes, "udp", names);
      return answer.bytes === null ? undefined : (decode(answer.bytes) as { rcode?: string }).rcode;
    };
    assert.equal(await header(good.subarray(0, 11)), undefined);
    assert.equal(await header(encode({ type: "response", id: 1, questions: [] })), undefined);
    assert.equal(await header(good.subarray(0, 14)), "FORMERR");
    assert.equal(await header(encode({ type: "query", id: 1, questions: [] })), "FORMERR");
    const update = Buffer.from(good);
    update.writeUInt8(5 << 3, 2);
    assert.equal(await header(update), "NOTIMP");
    assert.equal((decode(busyAnswer(good).bytes ?? Buffer.alloc(0)) as { rcode?: string }).rcode, "SERVFAIL");
    assert.equal(busyAnswer(Buffer.alloc(3)).bytes, null);
  });

  test("no bytes break it, and every answer carries the query's id", async () => {
    const good = query("db", "A", { additionals: [opt(1232)] });
    const damaged = fc.tuple(fc.integer({ min: 0, max: good.length - 1 }), fc.integer({ min: 0, max: 255 })).map(([at, value]) => {
      const bytes = Buffer.from(good);
      bytes[at] = value;
      return bytes;
    });
    const any = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(fc.oneof(damaged, any), async (bytes) => {
        const answer = await answerQuery(bytes, "udp", names);
        if (answer.bytes === null) return;
        assert.deepEqual(answer.bytes.subarray(0, 2), bytes.subarray(0, 2));
        assert.equal((answer.bytes[2] ?? 0) & 0x80, 0x80);
        assert.ok(answer.bytes.length <= 1232);
      }),
    );
  });
});
