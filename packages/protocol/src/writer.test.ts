// What leaves a writer: shortest forms, payloads by reference, segments that stay as they are, and nothing of what was discarded.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AnyCodec } from "./shape.ts";
import { decode } from "./decode.ts";
import { httpHeaders, httpMethod, httpStatus, httpUri, httpVersion } from "./httpParts.ts";
import { ClientMessage, SemverVersion } from "./messages/clientMessage.ts";
import { LogLevel } from "./messages/common.ts";
import { bool, bytes, i32, i64, text, u128, u16, u32, u64, u8 } from "./primitives.ts";
import { concat, encode } from "./testing/streams.ts";
import { Writer } from "./writer.ts";

const write = (payload: Uint8Array): ClientMessage => ({
  kind: "tcpOutgoing",
  value: { kind: "write", value: { connectionId: 5, bytes: payload } },
});

suite("integers", () => {
  const forms: readonly (readonly [string, AnyCodec, number | bigint, string])[] = [
    ["u8", u8, 0, "00"],
    ["u8", u8, 251, "fb"],
    ["u8", u8, 255, "ff"],
    ["u16", u16, 250, "fa"],
    ["u16", u16, 251, "fbfb00"],
    ["u16", u16, 65535, "fbffff"],
    ["u32", u32, 65536, "fc00000100"],
    ["u32", u32, 0xffff_ffff, "fcffffffff"],
    ["u64", u64, 0x1_0000_0000, "fd0000000001000000"],
    ["u64", u64, Number.MAX_SAFE_INTEGER, "fdffffffffffff1f00"],
    ["u64", u64, 1n << 53n, "fd0000000000002000"],
    ["u64", u64, (1n << 64n) - 1n, "fdffffffffffffffff"],
    ["u128", u128, 7n, "07"],
    ["u128", u128, (1n << 64n) - 1n, "fdffffffffffffffff"],
    ["u128", u128, 1n << 64n, "fe00000000000000000100000000000000"],
    ["u128", u128, (1n << 128n) - 1n, `fe${"ff".repeat(16)}`],
    ["i32", i32, 0, "00"],
    ["i32", i32, -1, "01"],
    ["i32", i32, 125, "fa"],
    ["i32", i32, -126, "fbfb00"],
    ["i32", i32, 0x7fff_ffff, "fcfeffffff"],
    ["i32", i32, -0x8000_0000, "fcffffffff"],
    ["i64", i64, Number.MIN_SAFE_INTEGER, "fdfdffffffffff3f00"],
    ["i64", i64, -(1n << 53n), "fdffffffffffff3f00"],
    ["i64", i64, -(1n << 63n), "fdffffffffffffffff"],
    ["i64", i64, (1n << 63n) - 1n, "fdfeffffffffffffff"],
  ];
  for (const [name, codec, value, hex] of forms) {
    test(`${name} ${value} is ${hex}`, () => {
      const written = encode<unknown>(codec, value);
      assert.equal(Buffer.from(written).toString("hex"), hex);
      assert.deepEqual(decode<unknown>(codec, written), { kind: "value", value, used: written.length });
    });
  }

  test("a bigint where a number would do is written alike and read as the number", () => {
    assert.deepEqual(encode(u64, 300n), encode(u64, 300));
    assert.deepEqual(decode(u64, encode(u64, 300n)), { kind: "value", value: 300, used: 3 });
    assert.deepEqual(encode(i64, -300n), encode(i64, -300));
  });

  const outside: readonly (readonly [string, AnyCodec, readonly (number | bigint)[]])[] = [
    ["u8", u8, [-1, 256, 1.5, Number.NaN]],
    ["u16", u16, [-1, 65536, 0.1, Number.POSITIVE_INFINITY]],
    ["u32", u32, [-1, 0x1_0000_0000]],
    ["u64", u64, [-1, -1n, 1n << 64n, 2 ** 53, 0.5]],
    ["u128", u128, [-1n, 1n << 128n]],
    ["i32", i32, [0x8000_0000, -0x8000_0001, 1.5]],
    ["i64", i64, [1n << 63n, -(1n << 63n) - 1n, -(2 ** 53)]],
  ];
  for (const [name, codec, values] of outside) {
    test(`${name} refuses what it cannot hold, naming it and the range`, () => {
      for (const value of values) {
        assert.throws(
          () => encode<unknown>(codec, value),
          (error: Error) => {
            return error.name === "EncodeError" && error.message.startsWith(`${name}: ${value} is no integer from `);
          },
        );
      }
    });
  }
});

suite("values without a form on the wire", () => {
  const cases: readonly (readonly [string, AnyCodec, unknown, string])[] = [
    ["status", httpStatus, 99, "HTTP status: 99 is no integer from 100 to 999"],
    ["method", httpMethod, "GET /", 'not an HTTP method: "GET /"'],
    ["URI", httpUri, "a b", 'not a URI: "a b"'],
    ["version", httpVersion, "HTTP/2", 'not an HTTP version: "HTTP/2"'],
    ["semantic version", SemverVersion, "1.2", 'not a semantic version: "1.2"'],
    ["header name", httpHeaders, [[":path", []]], 'not a header name: ":path"'],
    ["header value", httpHeaders, [["a", [Uint8Array.of(0x61, 0x0a)]]], 'a value of header "a" holds a control byte'],
    ["variant of a union", ClientMessage, { kind: "pong" }, "ClientMessage has no variant pong"],
    ["value of an enumeration", LogLevel, "debug", "LogLevel has no variant debug"],
  ];
  for (const [name, codec, value, message] of cases) {
    test(name, () => assert.throws(() => encode<unknown>(codec, value), { name: "EncodeError", message }));
  }
});

suite("a writer", () => {
  test("passes large payloads on by reference and copies small ones", () => {
    const out = new Writer({ copyMaxBytes: 100 });
    const large = new Uint8Array(101).fill(1);
    const small = new Uint8Array(100).fill(2);
    ClientMessage.write(out, write(small));
    assert.equal(out.isReferencing, false);
    for (const payload of [large, small]) ClientMessage.write(out, write(payload));
    assert.equal(out.isReferencing, true);
    const segments = out.take();
    assert.equal(out.isReferencing, false);
    assert.equal(segments.length, 3);
    assert.equal(segments[1], large);
    small.fill(9);
    assert.deepEqual(
      concat(segments),
      encode(ClientMessage, write(new Uint8Array(100).fill(2)), write(large), write(new Uint8Array(100).fill(2))),
    );
  });

  test("joins small messages in one segment", () => {
    const out = new Writer();
    for (let i = 0; i < 100; i++) ClientMessage.write(out, { kind: "ping" });
    const segments = out.take();
    assert.equal(segments.length, 1);
    assert.deepEqual(segments[0], new Uint8Array(100).fill(7));
    assert.deepEqual(out.take(), []);
  });

  test("never changes a segment it gave away", () => {
    const out = new Writer({ scratchBytes: 64 });
    const taken: Uint8Array[] = [];
    const expected: Uint8Array[] = [];
    for (let i = 0; i < 500; i++) {
      const value = "x".repeat(i % 90) + String(i);
      text.write(out, value);
      expected.push(encode(text, value));
      if (i % 7 === 0) taken.push(...out.take());
    }
    assert.deepEqual(concat([...taken, ...out.take()]), concat(expected));
  });

  test("writes the same whatever the size of its scratch buffer", () => {
    const value = { kind: "switchProtocolVersion", value: `1.2.3-${"a.".repeat(200)}a` } as const;
    for (const scratchBytes of [1, 2, 3, 17, 400, 4096]) {
      const out = new Writer({ scratchBytes });
      for (let i = 0; i < 3; i++) ClientMessage.write(out, value);
      assert.deepEqual(concat(out.take()), encode(ClientMessage, value, value, value));
    }
  });

  test("forgets what was written since the last take when told to discard it", () => {
    const out = new Writer({ scratchBytes: 32, copyMaxBytes: 8 });
    text.write(out, "kept");
    const kept = out.take();
    const half: ClientMessage = { kind: "reverseDnsLookup", value: { ipAddress: "no address" } };
    bytes.write(out, new Uint8Array(20));
    assert.throws(() => ClientMessage.write(out, half), { name: "EncodeError" });
    out.discard();
    assert.equal(out.isReferencing, false);
    assert.deepEqual(out.take(), []);
    bool.write(out, true);
    assert.deepEqual(concat(out.take()), Uint8Array.of(1));
    assert.deepEqual(concat(kept), encode(text, "kept"));
  });
});
