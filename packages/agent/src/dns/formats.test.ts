// The formats that the resolver reads and writes, without sockets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "dns-packet";
import fc from "fast-check";
import { RemoteError } from "../errors/remoteError.ts";
import { parseHostsFile } from "./hostsFile.ts";
import { canonicalIp, reverseName } from "./ipText.ts";
import { decodeAnswer, encodeQuery, type Question } from "./message.ts";
import { candidateNames, parseHostName } from "./names.ts";
import { parseResolvConf } from "./resolvConf.ts";

test("a resolv.conf is read as glibc reads it", () => {
  const text = [
    "# comment",
    "; comment",
    "domain first.example",
    "search a.example. b.example -- .",
    "nameserver 10.0.0.1",
    "nameserver\tfe80::1%eth0  # trailing",
    "nameserver not-an-address",
    "options ndots:5 timeout:2 attempts:3 rotate use-vc edns0 unknown ndots:x",
    "sortlist 1.2.3.4",
  ].join("\n");
  assert.deepEqual(parseResolvConf(Buffer.from(text)), {
    servers: ["10.0.0.1", "fe80::1%eth0"],
    search: ["a.example", "b.example"],
    ndots: 1,
    timeoutMs: 2000,
    attempts: 3,
    rotate: true,
    useTcp: true,
    edns: true,
  });
  const extreme = parseResolvConf(Buffer.from("options ndots:99 timeout:0 attempts:99\r\n"));
  assert.deepEqual([extreme.ndots, extreme.timeoutMs, extreme.attempts], [15, 1000, 5]);
});

test("a hosts file gives all addresses of a name and the first name of an address", async () => {
  const text =
    "127.0.0.1\tlocalhost\n10.0.0.1 One.example alias # x\n10.0.0.2 one.example\n::1 localhost\nbad line\nfe80::1%lo zone\n10.0.0.3\n";
  const { addressesByName, nameByAddress } = await parseHostsFile(Buffer.from(text));
  assert.deepEqual(addressesByName.get("one.example"), { ipv4: ["10.0.0.1", "10.0.0.2"], ipv6: [] });
  assert.deepEqual(addressesByName.get("localhost"), { ipv4: ["127.0.0.1"], ipv6: ["::1"] });
  assert.equal(addressesByName.size, 3);
  assert.equal(nameByAddress.get("10.0.0.1"), "One.example");
});

test("names may have underscores, upper case and other scripts", () => {
  assert.deepEqual(parseHostName("_Sip._tcp.Example."), { text: "_Sip._tcp.Example", isAbsolute: true });
  assert.equal(parseHostName("bücher.example").text, "xn--bcher-kva.example");
  assert.throws(() => parseHostName("a..b"), RemoteError);
});

test("candidates that would be too long are left out", () => {
  const name = parseHostName("a".repeat(60));
  assert.deepEqual(candidateNames(name, { search: ["b.".repeat(100), "c"], ndots: 1 }), [`${name.text}.c`, name.text]);
});

test("addresses have one spelling and a reverse name", () => {
  assert.equal(canonicalIp("FD00:0:0::1"), "fd00::1");
  assert.equal(canonicalIp("010.0.0.1"), null);
  assert.equal(canonicalIp("fe80::1%eth0"), null);
  assert.equal(reverseName("192.0.2.1"), "1.2.0.192.in-addr.arpa");
  assert.equal(reverseName("2001:db8::1"), "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
});

test("a query is read by another codec as it was meant", () => {
  for (const edns of [false, true]) {
    const packet = decode(encodeQuery({ name: "a.example", type: "AAAA" }, 4711, edns));
    assert.equal(packet.id, 4711);
    assert.equal(packet.flag_rd, true);
    assert.deepEqual(packet.questions, [{ name: "a.example", type: "AAAA", class: "IN" }]);
    assert.equal(packet.additionals?.length, edns ? 1 : 0);
  }
});

const question: Question = { name: "a.example", type: "A" };
const message = encode({
  id: 1,
  type: "response",
  flags: 0x8180,
  questions: [{ name: "a.example", type: "A" }],
  answers: [
    { type: "CNAME", name: "a.example", ttl: 5, data: "b.example" },
    { type: "A", name: "b.example", ttl: 9, data: "10.0.0.1" },
  ],
});

test("no bytes of a server break the decoder, and none takes long", () => {
  const attempt = (bytes: Buffer) => {
    try {
      decodeAnswer(bytes, question);
    } catch (error) {
      assert.ok(error instanceof RemoteError, String(error));
    }
  };
  assert.deepEqual(decodeAnswer(message, question), { kind: "records", owner: "b.example", data: ["10.0.0.1"], ttlSeconds: 5 });
  for (let end = 12; end < message.length; end++) attempt(message.subarray(0, end));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(message.length - 1), fc.nat(255)), { maxLength: 6 }), (changes) => {
      const bytes = Buffer.from(message);
      for (const [at, value] of changes) bytes[at] = value;
      attempt(bytes);
    }),
    { numRuns: 2000 },
  );

  // 64 KiB of records whose names are chains of thousands of pointers.
  const head = encodeQuery(question, 1, false);
  const hostile = Buffer.alloc(65_000);
  head.copy(hostile);
  hostile.writeUInt16BE(0x8180, 2);
  for (let at = head.length; at < 16_000; at += 2) hostile.writeUInt16BE(0xc000 | (at + 2), at);
  hostile.writeUInt16BE(0xffff, 6);
  const started = performance.now();
  attempt(hostile);
  assert.ok(performance.now() - started < 100);
});

test("aliases that go in a circle end", () => {
  const circle = encode({
    type: "response",
    flags: 0x8180,
    questions: [{ name: "a.example", type: "A" }],
    answers: [
      { type: "CNAME", name: "a.example", ttl: 5, data: "b.example" },
      { type: "CNAME", name: "b.example", ttl: 5, data: "a.example" },
    ],
  });
  assert.equal(decodeAnswer(circle, question)?.kind, "none");
});
