// Every recorded message of the reference implementation.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import type { AnyCodec } from "./shape.ts";
import * as protocol from "./index.ts";
import { StreamDecoder } from "./streamDecoder.ts";
import { hexToBytes } from "./hex.ts";
import { parseVector, type Vector, vectorProblem } from "./vectors.ts";
import { toJson } from "./json.ts";

const folder = new URL("../testdata/vectors/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
const roots: Readonly<Record<string, AnyCodec>> = { ClientMessage: protocol.ClientMessage, DaemonMessage: protocol.DaemonMessage };

function vectorsOf(file: string): Vector[] {
  const lines = readFileSync(new URL(file, folder), "utf8").split("\n");
  return lines.filter((line) => line !== "").map(parseVector);
}

suite("recorded messages", () => {
  let count = 0;
  for (const file of files) {
    test(`${file} decodes and encodes as the reference does`, () => {
      const problems: string[] = [];
      for (const vector of vectorsOf(file)) {
        count += 1;
        const problem = vectorProblem(roots[vector.type]!, vector);
        if (problem !== null) problems.push(`${vector.name}: ${problem}`);
      }
      assert.deepEqual(problems, []);
    });
  }

  test("all 1609 of them were there", () => {
    assert.equal(count, 1609);
  });

  test("a stream decoder judges them alike when every byte comes alone", () => {
    const problems: string[] = [];
    for (const vector of files.flatMap(vectorsOf)) {
      const codec = roots[vector.type]!;
      const verdict = judgeByteByByte(codec, hexToBytes(vector.hex)!);
      if (vector.isHostile ? verdict.kind === "value" : verdict.kind !== (vector.error ?? "value")) {
        problems.push(`${vector.name}: ${verdict.kind}`);
      } else if (verdict.kind === "value") {
        const json = JSON.stringify(toJson(codec, verdict.value));
        if (json !== JSON.stringify(vector.value)) problems.push(`${vector.name}: ${json}`);
      }
    }
    assert.deepEqual(problems, []);
  });
});

function judgeByteByByte(codec: AnyCodec, bytes: Uint8Array): { kind: "value"; value: unknown } | { kind: "incomplete" | "malformed" } {
  const decoder = new StreamDecoder<unknown>(codec);
  try {
    for (let at = 0; at < bytes.length; at++) {
      decoder.feed(bytes.slice(at, at + 1));
      const value = decoder.next();
      if (value !== undefined) return at === bytes.length - 1 ? { kind: "value", value } : { kind: "malformed" };
    }
  } catch (error) {
    if (!(error instanceof protocol.ProtocolError)) throw error;
    return { kind: "malformed" };
  }
  return { kind: "incomplete" };
}
