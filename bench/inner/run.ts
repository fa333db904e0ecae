// Measures the hot inner pieces in this process. ../README.md says what the figures mean; ../compare runs this for two versions by turns.
//
// Usage: node --conditions=source bench/inner/run.ts [--json] [--only NAME,NAME] [--sample-ms MS]

import { parseArgs } from "node:util";
import { median } from "../statistics.ts";
import { measurePiece } from "./measure.ts";
import type { Piece, PieceResult } from "./piece.ts";
import { codecPieces, largeMessagePieces } from "./pieces/codec.ts";
import { filterPieces } from "./pieces/filters.ts";
import { headPieces } from "./pieces/httpHead.ts";
import { writeQueuePieces } from "./pieces/writeQueue.ts";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, only: { type: "string" }, "sample-ms": { type: "string", default: "100" } },
});
const only = values.only?.split(";") ?? [];
const sampleMs = Number(values["sample-ms"]);

/** A version that does not have a part of the agent that is measured has no figures of it, and all others. */
async function piecesOf(make: () => readonly Piece[] | Promise<readonly Piece[]>): Promise<readonly Piece[]> {
  try {
    return await make();
  } catch (error) {
    console.error(`bench: not measured: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

const results: PieceResult[] = [];
/** Large messages come last: the heap that holds them is slow to collect. */
const groups = [
  ["codec", codecPieces],
  ["httpHead", headPieces],
  ["filters", filterPieces],
  ["writeQueue", writeQueuePieces],
  ["largeMessages", largeMessagePieces],
] as const;
for (const [group, make] of groups) {
  if (only.length > 0 && !only.some((name) => name === group || name.startsWith(`${group}/`))) continue;
  for (const piece of await piecesOf(make)) {
    if (only.length === 0 || only.some((name) => piece.name === name || piece.name.startsWith(`${name}/`)))
      results.push(measurePiece(piece, sampleMs));
  }
}

function markdown(): string {
  const number = (value: number): string => value.toLocaleString("en", { maximumSignificantDigits: 3 });
  const lines = results.map(
    ({ name, samplesNs, allocatedBytes }) => `| ${name} | ${number(median(samplesNs) / 1000)} | ${number(allocatedBytes)} |`,
  );
  return ["| piece | processor time, µs | allocates, B |", "|---|---:|---:|", ...lines].join("\n");
}

console.log(values.json ? JSON.stringify(results) : markdown());
