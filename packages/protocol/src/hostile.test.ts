// What a broken or hostile peer may send: nothing but a ProtocolError comes of it, soon, and at bounded memory.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decode } from "./decode.ts";
import { ClientMessage } from "./messages/clientMessage.ts";
import { DaemonMessage } from "./messages/daemonMessage.ts";
import { clientRelays, daemonRelays } from "./messages/relays.ts";
import { ProtocolError } from "./protocolError.ts";
import type { AnyCodec } from "./shape.ts";
import { type Relay, StreamDecoder } from "./streamDecoder.ts";
import { arbitraryOf } from "./testing/arbitraryOf.ts";
import { heldBytes } from "./testing/memory.ts";
import { concat, cutAt, cutEvery, decodeStream, encode, type Verdict } from "./testing/streams.ts";
import { hexToBytes } from "./hex.ts";
import { parseVector } from "./vectors.ts";

const MiB = 1024 * 1024;

const roots: readonly (readonly [string, AnyCodec, readonly Relay<unknown>[]])[] = [
  ["ClientMessage", ClientMessage, clientRelays],
  ["DaemonMessage", DaemonMessage, daemonRelays],
];

for (const [name, codec, relays] of roots) {
  suite(`bytes that are no ${name}`, () => {
    test("random bytes end in a verdict, the same however they are cut", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400, size: "max" }), fc.array(fc.nat({ max: 400 }), { maxLength: 8 }), (bytes, ends) => {
          judgeAlike(codec, bytes, ends, relays);
        }),
        { numRuns: 3000 },
      );
    });

    test("random bytes behind a valid beginning end in a verdict, the same however they are cut", () => {
      const smallBytes = fc.array(fc.oneof(fc.nat({ max: 6 }), fc.nat({ max: 255 })), { maxLength: 60, size: "max" });
      fc.assert(
        fc.property(fc.nat({ max: 20 }), smallBytes, fc.array(fc.nat({ max: 60 }), { maxLength: 4 }), (first, rest, ends) => {
          judgeAlike(codec, Uint8Array.of(first, ...rest), ends, relays);
        }),
        { numRuns: 10_000 },
      );
    });

    test("mutated messages end in a verdict, the same however they are cut", () => {
      const mutation = fc.record({ at: fc.nat({ max: 2000 }), remove: fc.nat({ max: 3 }), insert: fc.uint8Array({ maxLength: 3 }) });
      fc.assert(
        fc.property(
          fc.array(arbitraryOf<unknown>(codec), { minLength: 1, maxLength: 3 }),
          fc.array(mutation, { minLength: 1, maxLength: 4 }),
          fc.array(fc.nat({ max: 2000 }), { maxLength: 6 }),
          (values, mutations, ends) => {
            let bytes = encode(codec, ...values);
            for (const { at, remove, insert } of mutations) {
              const place = at % (bytes.length + 1);
              bytes = concat([bytes.subarray(0, place), insert, bytes.subarray(place + remove)]);
            }
            judgeAlike(codec, bytes, ends, relays);
          },
        ),
        { numRuns: 3000 },
      );
    });
  });
}

/** Decodes with small limits at once, in pieces, byte by byte and with relays: the verdict is one and the same. */
function judgeAlike(codec: AnyCodec, bytes: Uint8Array, ends: readonly number[], relays: readonly Relay<unknown>[]): void {
  const limits = { maxMessageBytes: 2000, maxDepth: 3 };
  const atOnce = decodeStream<unknown>(codec, [bytes], limits);
  assert.deepEqual(decodeStream<unknown>(codec, cutAt(bytes, ends), limits), atOnce);
  assert.deepEqual(decodeStream<unknown>(codec, cutEvery(bytes, 1), limits), atOnce);
  // What a relay hands on is not charged for being collected, so there it may differ at the limit.
  const relayed = decodeStream<unknown>(codec, cutAt(bytes, ends), { ...limits, relays });
  if (atOnce.end !== "limit" && relayed.end !== "limit") assert.deepEqual(relayed, atOnce);
}

suite("sizes that no data follows", () => {
  const vectors = readFileSync(new URL("../testdata/vectors/hostile.jsonl", import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map(parseVector);

  for (const { name, type, hex } of vectors) {
    test(`${name}: waits or refuses at constant memory`, () => {
      const codec: AnyCodec = type === "ClientMessage" ? ClientMessage : DaemonMessage;
      const before = heldBytes();
      const decoder = new StreamDecoder<unknown>(codec);
      assert.doesNotMatch(feedAll(decoder, cutEvery(bytesOf(hex), 1)).end, /between/);
      assert.ok(heldBytes() - before < MiB);
    });
  }

  test("a payload within the limit takes real memory only for what arrived", () => {
    const before = process.memoryUsage.rss();
    const decoders = Array.from({ length: 20 }, () => new StreamDecoder(ClientMessage));
    for (const decoder of decoders) {
      decoder.feed(concat([Uint8Array.of(5, 5, 1, 252), u32(60 * MiB), new Uint8Array(8)]));
      assert.equal(decoder.next(), undefined);
      assert.ok(decoder.pendingBytes < 100);
    }
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 60 * MiB, `${grown} bytes for 20 payloads of 60 MiB of which 8 bytes arrived`);
  });

  test("nothing is allocated for a count", () => {
    const before = heldBytes();
    const decoder = new StreamDecoder(ClientMessage);
    // Environment request with a set of 40 million texts.
    decoder.feed(concat([Uint8Array.of(6, 252), u32(40_000_000)]));
    assert.equal(decoder.next(), undefined);
    assert.ok(heldBytes() - before < MiB / 4);
  });
});

/** Messages that are cheap on the wire and dear in memory: what comes before the items, and the items. */
const dear: readonly (readonly [string, AnyCodec, readonly number[], (i: number) => Uint8Array])[] = [
  ["a set of short texts", ClientMessage, [6], (i) => textBytes(i.toString(36))],
  ["a map of short texts", DaemonMessage, [8, 0], (i) => concat([textBytes(i.toString(36)), textBytes("")])],
  ["a list of empty frames", ClientMessage, [2, 5, 1, 1, 0, 200, 8, ...bytesOfText("HTTP/1.1"), 0], () => Uint8Array.of(0, 0)],
  [
    "a list of frames with trailers",
    ClientMessage,
    [2, 5, 1, 1, 0, 200, 8, ...bytesOfText("HTTP/1.1"), 0],
    () => Uint8Array.of(1, 1, 1, 0x61, 1, 0),
  ],
  ["a header with many values", ClientMessage, [2, 4, 1, 1, 0, 200, 8, ...bytesOfText("HTTP/1.1"), 1, 1, 0x61], () => Uint8Array.of(0)],
  ["directory entries", DaemonMessage, [6, 13, 0, 3], () => Uint8Array.of(253, 1, 2, 3, 4, 5, 6, 7, 8, 253, 1, 2, 3, 4, 5, 6, 7, 8, 0, 4)],
  [
    "directory entries with names of 40 characters",
    DaemonMessage,
    [6, 13, 0, 3],
    () => concat([Uint8Array.of(1, 1), textBytes("n".repeat(40)), Uint8Array.of(4)]),
  ],
  [
    "directory entries with names of 16 characters",
    DaemonMessage,
    [6, 13, 0, 3],
    () => concat([Uint8Array.of(1, 1), textBytes("n".repeat(16)), Uint8Array.of(4)]),
  ],
  [
    "directory entries with names outside Latin-1",
    DaemonMessage,
    [6, 13, 0, 3],
    () => concat([Uint8Array.of(1, 1, 41), bytesOfText(`\u0416${"n".repeat(39)}`), Uint8Array.of(4)]),
  ],
  ["sibling filters", ClientMessage, [1, 3, 80, 2, 1], () => Uint8Array.of(2, 1, 0)],
  ["look-up records", DaemonMessage, [9, 0], () => Uint8Array.of(0, 0, 10, 0, 0, 1)],
];

suite("messages that are small on the wire and large in memory", () => {
  for (const [name, codec, beginning, itemAt] of dear) {
    test(`${name}: memory stays near the limit, then the message is refused`, () => {
      const maxMessageBytes = 8 * MiB;
      const decoder = new StreamDecoder<unknown>(codec, { maxMessageBytes });
      const before = heldBytes();
      decoder.feed(concat([Uint8Array.from(beginning), Uint8Array.of(252), u32(500_000)]));
      assert.equal(decoder.next(), undefined);
      let i = 0;
      const feedSome = (): void => {
        const items: Uint8Array[] = [];
        for (const end = i + 1000; i < end; i++) items.push(itemAt(i));
        decoder.feed(concat(items));
        assert.equal(decoder.next(), undefined);
      };
      while (decoder.pendingBytes < maxMessageBytes * 0.9) feedSome();
      const held = heldBytes() - before;
      assert.ok(held < 1.4 * decoder.pendingBytes, `${held} bytes held, ${decoder.pendingBytes} counted`);
      assert.throws(
        () => {
          for (let round = 0; round < 100; round++) feedSome();
        },
        {
          name: "ProtocolError",
          code: "limit",
          message: / message of \d+ bytes in memory exceeds maxMessageBytes 8388608$| of maxMessageBytes 8388608$/,
        },
      );
      assert.ok(heldBytes() - before < MiB, "what was collected is let go");
    });
  }

  test("a header repeated 24,000 times, each time without a value, costs no more than its bytes", () => {
    const values = 100_000;
    const names = 24_000;
    const start = [2, 4, 1, 1, 0, 200, 8, ...bytesOfText("HTTP/1.1"), 251, names & 0xff, names >> 8];
    const first = concat([Uint8Array.of(1, 0x61, 252), u32(values), new Uint8Array(values)]);
    const message = concat([
      Uint8Array.from(start),
      first,
      ...Array.from({ length: names - 1 }, () => Uint8Array.of(1, 0x61, 0)),
      Uint8Array.of(0),
    ]);
    const used = process.cpuUsage();
    const { values: messages, end } = decodeStream(ClientMessage, [message]);
    assert.equal(end, "between");
    assert.ok(process.cpuUsage(used).user < 2_000_000);
    const [response] = messages;
    assert.ok(response?.kind === "tcpSteal" && response.value.kind === "httpResponse");
    assert.equal(response.value.value.internalResponse.headers.length, 1);
    assert.equal(response.value.value.internalResponse.headers[0]?.[1].length, values);
  });
});

suite("nesting", () => {
  const nested = (levels: number): Uint8Array =>
    concat([Uint8Array.of(1, 3, 80), ...Array.from({ length: levels }, () => Uint8Array.of(2, 1, 1)), Uint8Array.of(0, 0)]);
  const refusal = { name: "ProtocolError", code: "limit", message: "nesting of 65 exceeds maxDepth 64" };

  test("of 64 filters is read, of 65 refused", () => {
    assert.equal(decode(ClientMessage, nested(64)).kind, "value");
    assert.throws(() => decode(ClientMessage, nested(65)), refusal);
  });

  test("is counted alike when each byte comes alone", () => {
    assert.equal(decodeStream(ClientMessage, cutEvery(nested(64), 1)).end, "between");
    const decoder = new StreamDecoder(ClientMessage);
    assert.throws(() => pump(decoder, cutEvery(nested(65), 1)), refusal);
  });

  test("beside one another is not counted", () => {
    const siblings = concat([Uint8Array.of(1, 3, 80, 2, 1, 200), ...Array.from({ length: 200 }, () => Uint8Array.of(2, 1, 1, 0, 0))]);
    assert.equal(decode(ClientMessage, siblings).kind, "value");
    assert.equal(decodeStream(ClientMessage, cutEvery(siblings, 7)).end, "between");
  });

  test("of 20,000 filters is refused at the 65th, also when each byte comes alone", () => {
    const bytes = nested(20_000);
    assert.throws(() => decode(ClientMessage, bytes), refusal);
    const decoder = new StreamDecoder(ClientMessage);
    let fed = 0;
    const counting = function* (): Generator<Uint8Array> {
      for (const piece of cutEvery(bytes, 1)) {
        fed += 1;
        yield piece;
      }
    };
    assert.throws(() => pump(decoder, counting()), refusal);
    assert.ok(fed < 300, `${fed} bytes were looked at`);
  });

  test("limit can be set", () => {
    assert.equal(decodeStream(ClientMessage, [nested(3)], { maxDepth: 3 }).end, "between");
    assert.equal(decodeStream(ClientMessage, [nested(4)], { maxDepth: 3 }).end, "limit");
  });
});

suite("a refusal names the thing, the value and the limit", () => {
  const limits = { maxMessageBytes: 1000, maxDepth: 2 };
  const cases: readonly (readonly [string, AnyCodec, readonly number[], ProtocolError["code"], string])[] = [
    ["text", DaemonMessage, [0, 251, 0xe8, 3], "limit", "text declares 1000, only 956 bytes are left of maxMessageBytes 1000"],
    [
      "byte string",
      ClientMessage,
      [5, 5, 1, 252, 0, 0, 1, 0],
      "limit",
      "byte string declares 65536, only 912 bytes are left of maxMessageBytes 1000",
    ],
    [
      "2^63",
      ClientMessage,
      [5, 5, 1, 253, 0, 0, 0, 0, 0, 0, 0, 128],
      "limit",
      "byte string declares 9223372036854775808, only 908 bytes are left of maxMessageBytes 1000",
    ],
    ["list", DaemonMessage, [9, 0, 200], "limit", "list declares 200, only 917 bytes are left of maxMessageBytes 1000"],
    [
      "header names",
      ClientMessage,
      [2, 4, 1, 1, 0, 200, 8, ...bytesOfText("HTTP/1.1"), 251, 1, 96],
      "malformed",
      "24577 header names exceed 24576",
    ],
    ["variant", ClientMessage, [18], "malformed", "ClientMessage: variant 18 exceeds 17, the last one known"],
    ["tag", ClientMessage, [1, 0, 252], "malformed", "u16: integer tag 252 exceeds 251, the widest of this field"],
    ["flag", ClientMessage, [9, 2], "malformed", "bool: byte 2 is neither 0 nor 1"],
    ["option", ClientMessage, [5, 9, 7], "malformed", "option: byte 7 is neither 0 nor 1"],
    ["utf-8", DaemonMessage, [0, 2, 0xc3, 0x28], "malformed", "text: 2 bytes are not valid UTF-8"],
    ["status", ClientMessage, [2, 4, 1, 1, 0, 99], "malformed", "HTTP status 99 is outside 100 to 999"],
  ];
  for (const [name, codec, bytes, code, message] of cases) {
    test(name, () => {
      assert.throws(() => decode<unknown>(codec, Uint8Array.from(bytes), limits), { name: "ProtocolError", code, message });
      const { end } = decodeStream<unknown>(codec, cutEvery(Uint8Array.from(bytes), 1), limits);
      assert.equal(end, code);
    });
  }

  test("relayed payload", () => {
    const decoder = new StreamDecoder(ClientMessage, { ...limits, relays: clientRelays });
    assert.throws(() => pump(decoder, [Uint8Array.of(3, 1, 5, 252, 0, 0, 1, 0)]), {
      name: "ProtocolError",
      code: "limit",
      message: "payload declares 65536, only 992 bytes are left of maxMessageBytes 1000",
    });
  });
});

/** Feeds pieces and throws what the decoder throws. */
function pump<T>(decoder: StreamDecoder<T>, pieces: Iterable<Uint8Array>): void {
  for (const piece of pieces) {
    decoder.feed(piece);
    while (decoder.next() !== undefined);
  }
}

function feedAll<T>(decoder: StreamDecoder<T>, pieces: readonly Uint8Array[]): Pick<Verdict<T>, "end"> {
  try {
    pump(decoder, pieces);
  } catch (error) {
    if (error instanceof ProtocolError) return { end: error.code };
    throw error;
  }
  return { end: decoder.isInsideMessage ? "inside" : "between" };
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

function bytesOfText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textBytes(text: string): Uint8Array {
  return Uint8Array.of(text.length, ...bytesOfText(text));
}

function bytesOf(hex: string): Uint8Array {
  const bytes = hexToBytes(hex);
  assert.ok(bytes);
  return bytes;
}
