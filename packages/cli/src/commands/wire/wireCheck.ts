// `understudy wire check`: judges the decoder by files of recorded messages. Files are read line by line, whatever their size.

import { createReadStream } from "node:fs";
import * as protocol from "@understudy/protocol";
import { type AnyCodec, parseVector, vectorProblem } from "@understudy/protocol";
import { type Output, printable } from "../../output.ts";

/** Longer problems are cut: they show whole messages. */
const PROBLEM_MAX_LENGTH = 2000;
/** The longest line to read, in UTF-16 units. */
const LINE_MAX_LENGTH = 256 * 1024 * 1024;

/** Resolves with the exit code. */
export async function wireCheck(files: readonly string[], output: Output): Promise<number> {
  let passed = 0;
  let failed = 0;
  let isUnreadable = false;
  for (const file of files) {
    try {
      for await (const { number, text } of linesOf(file)) {
        if (text.trim() === "") continue;
        const { name, problem } = judge(text);
        if (problem === null) {
          passed += 1;
          continue;
        }
        failed += 1;
        await output.line(`${file}:${number} ${printable(name === "" ? problem : `${name}: ${problem}`).slice(0, PROBLEM_MAX_LENGTH)}`);
      }
    } catch (error) {
      isUnreadable = true;
      output.note(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  await output.line(`${passed} passed, ${failed} failed`);
  if (isUnreadable) return 2;
  return failed > 0 ? 1 : 0;
}

function judge(line: string): { readonly name: string; readonly problem: string | null } {
  let vector: protocol.Vector;
  try {
    vector = parseVector(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { name: "", problem: error instanceof SyntaxError ? `not JSON: ${why}` : `not a vector: ${why}` };
  }
  const codec = codecNamed(vector.type);
  if (codec === null) return { name: vector.name, problem: `unknown type ${vector.type}` };
  try {
    return { name: vector.name, problem: vectorProblem(codec, vector) };
  } catch (error) {
    return { name: vector.name, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Codecs are exported under the names of their types. */
const exported = new Map<string, unknown>(Object.entries(protocol));

function codecNamed(name: string): AnyCodec | null {
  const found = exported.get(name);
  return typeof found === "object" && found !== null && "shape" in found ? (found as AnyCodec) : null;
}

interface Line {
  /** Counts from 1. */
  readonly number: number;
  readonly text: string;
}

async function* linesOf(file: string): AsyncGenerator<Line> {
  let number = 1;
  let parts: string[] = [];
  let length = 0;
  for await (const chunk of createReadStream(file, { encoding: "utf8", highWaterMark: 256 * 1024 }) as AsyncIterable<string>) {
    const [first = "", ...others] = chunk.split("\n");
    parts.push(first);
    length += first.length;
    if (length > LINE_MAX_LENGTH) throw new Error(`line ${number} is longer than ${LINE_MAX_LENGTH} characters`);
    for (const next of others) {
      yield { number, text: parts.join("") };
      number += 1;
      parts = [next];
      length = next.length;
    }
  }
  yield { number, text: parts.join("") };
}
