// Every message there can be: what is written is read back, and what becomes JSON comes back from it.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decode } from "./decode.ts";
import { fromJson, type Json, toJson } from "./json.ts";
import { ClientMessage } from "./messages/clientMessage.ts";
import { DaemonMessage } from "./messages/daemonMessage.ts";
import type { AnyCodec } from "./shape.ts";
import { arbitraryOf } from "./testing/arbitraryOf.ts";
import { encode } from "./testing/streams.ts";

const roots: readonly (readonly [string, AnyCodec])[] = [
  ["ClientMessage", ClientMessage],
  ["DaemonMessage", DaemonMessage],
];

for (const [name, codec] of roots) {
  suite(name, () => {
    test("is read as it was written", () => {
      fc.assert(
        fc.property(arbitraryOf<unknown>(codec), (value) => {
          const bytes = encode(codec, value);
          assert.deepEqual(decode<unknown>(codec, bytes), { kind: "value", value, used: bytes.length });
        }),
        { numRuns: 3000 },
      );
    });

    test("is the same after becoming JSON text", () => {
      fc.assert(
        fc.property(arbitraryOf<unknown>(codec), (value) => {
          const json = JSON.parse(JSON.stringify(toJson(codec, value))) as Json;
          assert.deepEqual(fromJson(codec, json), value);
        }),
        { numRuns: 2000 },
      );
    });

    test("does not end before its last byte", () => {
      fc.assert(
        fc.property(arbitraryOf<unknown>(codec), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (value, at) => {
          const bytes = encode(codec, value);
          assert.deepEqual(decode<unknown>(codec, bytes.subarray(0, Math.floor(at * bytes.length))), { kind: "incomplete" });
        }),
        { numRuns: 1000 },
      );
    });
  });
}

test("the generated messages hold each of the 262 variants", () => {
  const missing = new Set<string>();
  for (const [, codec] of roots) collectVariants(codec, missing);
  assert.equal(missing.size, 262);
  for (const [, codec] of roots) {
    for (const value of fc.sample(arbitraryOf<unknown>(codec), { numRuns: 15_000, seed: 1 })) tickVariants(codec, value, missing);
  }
  assert.deepEqual([...missing], []);
});

/** Names of all variants that a codec leads to, as `Type.variant`. */
function collectVariants({ shape }: AnyCodec, names: Set<string>): void {
  switch (shape.kind) {
    case "enumeration":
      for (const value of shape.values) names.add(`${shape.name}.${value}`);
      return;
    case "union":
      for (const { kind, payload } of shape.variants) {
        const name = `${shape.name}.${kind}`;
        if (names.has(name)) continue;
        names.add(name);
        for (const codec of payload) collectVariants(codec, names);
      }
      return;
    case "struct":
      for (const [, codec] of shape.fields) collectVariants(codec, names);
      return;
    case "result":
      collectVariants(shape.ok, names);
      collectVariants(shape.err, names);
      return;
    case "map":
      collectVariants(shape.value, names);
      return;
    case "option":
    case "list":
    case "set":
    case "array":
    case "lazy":
      collectVariants(shape.item(), names);
      return;
    default:
  }
}

/** Takes the variants that `value` holds out of `missing`. */
function tickVariants({ shape }: AnyCodec, value: unknown, missing: Set<string>): void {
  switch (shape.kind) {
    case "enumeration":
      missing.delete(`${shape.name}.${value as string}`);
      return;
    case "union": {
      const { kind, value: inner } = value as { kind: string; value?: unknown };
      missing.delete(`${shape.name}.${kind}`);
      const payload = shape.variants.find((variant) => variant.kind === kind)?.payload ?? [];
      const values = payload.length === 1 ? [inner] : (inner as readonly unknown[] | undefined);
      for (const [i, codec] of payload.entries()) tickVariants(codec, values?.[i], missing);
      return;
    }
    case "struct":
      for (const [name, codec] of shape.fields) tickVariants(codec, (value as Record<string, unknown>)[name], missing);
      return;
    case "result": {
      const { kind, value: inner } = value as { kind: "ok" | "err"; value: unknown };
      tickVariants(shape[kind], inner, missing);
      return;
    }
    case "option":
      if (value !== null) tickVariants(shape.item(), value, missing);
      return;
    case "list":
    case "set":
    case "array":
      for (const item of value as Iterable<unknown>) tickVariants(shape.item(), item, missing);
      return;
    case "lazy":
      tickVariants(shape.item(), value, missing);
      return;
    default:
  }
}
