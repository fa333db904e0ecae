import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesField, decodeMessage, encodeMessage, numberField, ProtobufError } from "./protobuf.ts";
import { message } from "./runtimeFixture.ts";

test("what is encoded is decoded, whatever its length", () => {
  for (const length of [0, 1, 127, 128, 70_000]) {
    const text = "ü".repeat(length);
    const bytes = encodeMessage({ 1: text, 2: true });
    assert.equal(bytesField(bytes, 1)?.toString(), text);
    assert.equal(numberField(bytes, 2), 1);
  }
});

test("numbers are read up to 53 bits, the last of a field counts, and what is missing is zero or null", () => {
  const bytes = message([
    [3, 1],
    [3, 2 ** 53 - 1],
    [4, "first"],
    [4, "last"],
  ]);
  assert.equal(numberField(bytes, 3), 2 ** 53 - 1);
  assert.equal(bytesField(bytes, 4)?.toString(), "last");
  assert.equal(numberField(bytes, 4), 0);
  assert.equal(bytesField(bytes, 3), null);
});

test("fields of fixed width are passed over", () => {
  const bytes = Buffer.concat([Buffer.from([0x09]), Buffer.alloc(8), Buffer.from([0x15]), Buffer.alloc(4), message([[3, 7]])]);
  assert.deepEqual([...decodeMessage(bytes)], [{ number: 3, value: 7 }]);
});

test("any bytes are a message or an error, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        for (const { value } of decodeMessage(Buffer.from(bytes))) assert.ok(typeof value === "number" || value.length <= bytes.length);
      } catch (error) {
        assert.ok(error instanceof ProtobufError);
      }
    }),
  );
});
