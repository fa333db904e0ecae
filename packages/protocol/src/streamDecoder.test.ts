// Streams cut anywhere decode alike; relayed payloads come in pieces and nothing else points into received bytes; errors are final.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ClientMessage } from "./messages/clientMessage.ts";
import { DaemonMessage } from "./messages/daemonMessage.ts";
import { clientRelays, daemonRelays } from "./messages/relays.ts";
import type { AnyCodec } from "./shape.ts";
import { type Relay, StreamDecoder } from "./streamDecoder.ts";
import { arbitraryOf } from "./testing/arbitraryOf.ts";
import { cutAt, cutEvery, decodeStream, encode } from "./testing/streams.ts";

const roots: readonly (readonly [string, AnyCodec, readonly Relay<unknown>[]])[] = [
  ["ClientMessage", ClientMessage, clientRelays],
  ["DaemonMessage", DaemonMessage, daemonRelays],
];

for (const [name, codec, relays] of roots) {
  suite(`a stream of ${name}`, () => {
    const messages = fc.array(arbitraryOf<unknown>(codec), { minLength: 1, maxLength: 6 });

    for (const [form, options] of [
      ["whole", {}],
      ["relayed", { relays }],
    ] as const) {
      test(`decodes alike however it is cut, payloads ${form}`, () => {
        fc.assert(
          fc.property(messages, fc.array(fc.nat({ max: 3000 }), { maxLength: 12 }), (values, ends) => {
            const bytes = encode(codec, ...values);
            assert.deepEqual(decodeStream<unknown>(codec, cutAt(bytes, ends), options), { values, end: "between" });
          }),
          { numRuns: 1000 },
        );
      });

      test(`decodes alike when each byte comes alone, payloads ${form}`, () => {
        fc.assert(
          fc.property(messages, (values) => {
            const bytes = encode(codec, ...values);
            assert.deepEqual(decodeStream<unknown>(codec, cutEvery(bytes, 1), options), { values, end: "between" });
          }),
          { numRuns: 150 },
        );
      });
    }

    test("cut at each byte in turn, it ends inside a message or between two, as it should", () => {
      fc.assert(
        fc.property(messages, (values) => {
          const ends = new Set(values.map((_, i) => encode(codec, ...values.slice(0, i + 1)).length)).add(0);
          const bytes = encode(codec, ...values).subarray(0, 300);
          for (let end = 0; end <= bytes.length; end++) {
            const verdict = decodeStream<unknown>(codec, [bytes.subarray(0, end)]);
            assert.equal(verdict.end, ends.has(end) ? "between" : "inside");
          }
        }),
        { numRuns: 100 },
      );
    });
  });
}

const connectionId = 7;
const payload = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const write = (bytes: Uint8Array): ClientMessage => ({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes } } });
const data = (bytes: Uint8Array): ClientMessage => ({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes } } });
const ping: ClientMessage = { kind: "ping" };

suite("relays", () => {
  test("hand a payload on as it arrives, as views of the received bytes", () => {
    for (const message of [write, data]) {
      const bytes: Uint8Array = encode(ClientMessage, message(payload), ping);
      const decoder = new StreamDecoder(ClientMessage, { relays: clientRelays });
      const first: Uint8Array = bytes.slice(0, 300);
      decoder.feed(first);
      const head = decoder.next();
      const headerBytes: number = bytes.length - 1 - payload.length;
      assert.deepEqual(head, message(payload.subarray(0, 300 - headerBytes)));
      assert.equal(payloadOf(head).buffer, first.buffer);
      assert.equal(decoder.next(), undefined);
      assert.equal(decoder.isInsideMessage, true);
      assert.equal(decoder.pendingBytes, 0, "what was handed on is not pending");
      decoder.feed(bytes.slice(300));
      assert.deepEqual(decoder.next(), message(payload.subarray(300 - headerBytes)));
      assert.equal(decoder.isInsideMessage, false);
      assert.deepEqual(decoder.next(), ping);
      assert.equal(decoder.next(), undefined);
    }
  });

  test("never make an empty piece of a payload that is not empty, since empty means the end", () => {
    const bytes = encode(ClientMessage, write(payload));
    const header = bytes.length - payload.length;
    const decoder = new StreamDecoder(ClientMessage, { relays: clientRelays });
    decoder.feed(bytes.subarray(0, header));
    assert.equal(decoder.next(), undefined);
    assert.equal(decoder.isInsideMessage, true);
    decoder.feed(new Uint8Array(0));
    assert.equal(decoder.next(), undefined);
    decoder.feed(bytes.subarray(header));
    assert.deepEqual(decoder.next(), write(payload));
  });

  test("pass on an empty payload", () => {
    assert.deepEqual(decodeStream(ClientMessage, [encode(ClientMessage, write(new Uint8Array(0)), ping)], { relays: clientRelays }), {
      values: [write(new Uint8Array(0)), ping],
      end: "between",
    });
  });

  test("a payload whose header is cut is collected whole", () => {
    const bytes = encode(ClientMessage, write(payload));
    for (let end = 1; end < bytes.length - payload.length; end++) {
      const decoder = new StreamDecoder(ClientMessage, { relays: clientRelays });
      decoder.feed(bytes.slice(0, end));
      assert.equal(decoder.next(), undefined);
      const rest = bytes.slice(end);
      decoder.feed(rest);
      const value = decoder.next();
      assert.deepEqual(value, write(payload));
      assert.notEqual(payloadOf(value).buffer, rest.buffer);
    }
  });

  test("of daemon messages are the three that carry a byte stream", () => {
    const result = (bytes: Uint8Array): DaemonMessage => ({
      kind: "tcpOutgoing",
      value: { kind: "read", value: { kind: "ok", value: { connectionId, bytes } } },
    });
    const daemonData =
      (kind: "tcp" | "tcpSteal") =>
      (bytes: Uint8Array): DaemonMessage => ({ kind, value: { kind: "data", value: { connectionId, bytes } } });
    for (const message of [result, daemonData("tcp"), daemonData("tcpSteal")]) {
      const decoder = new StreamDecoder(DaemonMessage, { relays: daemonRelays });
      const bytes = encode(DaemonMessage, message(payload));
      decoder.feed(bytes.subarray(0, 500));
      assert.deepEqual(decoder.next(), message(payload.subarray(0, 500 - (bytes.length - payload.length))));
    }
  });

  test("a datagram is never cut", () => {
    const datagram: ClientMessage = { kind: "udpOutgoing", value: { kind: "write", value: { connectionId, bytes: payload } } };
    const decoder = new StreamDecoder(ClientMessage, { relays: clientRelays });
    const bytes = encode(ClientMessage, datagram);
    decoder.feed(bytes.subarray(0, 500));
    assert.equal(decoder.next(), undefined);
    decoder.feed(bytes.subarray(500));
    assert.deepEqual(decoder.next(), datagram);
  });
});

suite("received bytes that are overwritten", () => {
  for (const [name, codec, relays] of roots)
    for (const receive of [Uint8Array, Buffer]) {
      test(`change no ${name} but the pieces of relayed payloads, received as ${receive.name}`, () => {
        const relayed = relays.map(({ prefix }) => prefix);
        fc.assert(
          fc.property(
            fc.array(arbitraryOf<unknown>(codec), { minLength: 1, maxLength: 5 }),
            fc.array(fc.nat({ max: 2000 }), { maxLength: 6 }),
            (values, ends) => {
              const kept = values.filter((value) => !relayed.some((prefix) => prefix.every((byte, i) => encode(codec, value)[i] === byte)));
              const decoder = new StreamDecoder<unknown>(codec, { relays });
              const found: unknown[] = [];
              for (const piece of cutAt(encode(codec, ...kept), ends)) {
                const received = receive.from(piece);
                decoder.feed(received);
                for (let value = decoder.next(); value !== undefined; value = decoder.next()) found.push(value);
                received.fill(0xaa);
              }
              assert.deepEqual(found, kept);
            },
          ),
          { numRuns: 1000 },
        );
      });
    }
});

suite("a decoder", () => {
  test("says where the message began that it is reading", () => {
    const bytes = encode(ClientMessage, ping, ping, write(payload), ping);
    const decoder = new StreamDecoder(ClientMessage);
    const offsets: number[] = [];
    for (const piece of cutEvery(bytes, 100)) {
      decoder.feed(piece);
      while (decoder.next() !== undefined) offsets.push(decoder.messageOffset);
      if (decoder.isInsideMessage) assert.equal(decoder.messageOffset, 2);
    }
    assert.deepEqual(offsets, [0, 1, 2, bytes.length - 1]);
  });

  test("counts what a half-received message holds, and nothing between messages", () => {
    const decoder = new StreamDecoder(ClientMessage);
    const bytes = encode(ClientMessage, write(payload));
    decoder.feed(bytes.subarray(0, 600));
    assert.equal(decoder.next(), undefined);
    assert.ok(decoder.pendingBytes >= 600 && decoder.pendingBytes < 1000, `${decoder.pendingBytes}`);
    decoder.feed(bytes.subarray(600));
    assert.deepEqual(decoder.next(), write(payload));
    assert.equal(decoder.pendingBytes, 0);
    assert.equal(decoder.isDrained, true);
  });

  test("refuses to be fed before it is drained", () => {
    const decoder = new StreamDecoder(ClientMessage);
    decoder.feed(encode(ClientMessage, ping, ping));
    assert.deepEqual(decoder.next(), ping);
    assert.equal(decoder.isDrained, false);
    assert.throws(() => decoder.feed(new Uint8Array(1)), { message: "feed before the earlier bytes were read" });
    assert.deepEqual(decoder.next(), ping);
  });

  test("that failed keeps failing with the same error, whatever it is fed", () => {
    for (const [bad, cut] of [
      [[99, 7, 7], 3],
      [[5, 0, 1, 0xff, 0], 1],
      [[3, 1, 255, 7], 1],
      [[3, 1, 5, 255, 7], 5],
    ] as const) {
      const decoder = new StreamDecoder(ClientMessage, { relays: clientRelays });
      let failure: unknown;
      try {
        for (const piece of cutEvery(Uint8Array.from([7, ...bad]), cut)) {
          decoder.feed(piece);
          while (decoder.next() !== undefined);
        }
      } catch (error) {
        failure = error;
      }
      assert.equal((failure as Error).name, "ProtocolError");
      for (let i = 0; i < 3; i++) {
        assert.throws(
          () => decoder.next(),
          (error) => error === failure,
        );
        assert.throws(
          () => decoder.feed(Uint8Array.of(7)),
          (error) => error === failure,
        );
      }
    }
  });
});

function payloadOf(message: ClientMessage | undefined): Uint8Array {
  if (message?.kind === "tcpOutgoing" && message.value.kind === "write") return message.value.value.bytes;
  if (message?.kind === "tcpSteal" && message.value.kind === "data") return message.value.value.bytes;
  throw new TypeError("not a relayed message");
}
