// Measures pieces by processor time, which other programs on the machine lengthen less than a clock's.

import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { median } from "../statistics.ts";
import type { Piece, PieceResult } from "./piece.ts";

const SAMPLES = 5;
/** Few enough that the young generation is not collected while allocations are counted. */
const COUNTED_BYTES = 256 * 1024;
const COUNTED_CALLS_MAX = 1000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as (options?: { type: "minor" }) => void;

/** @param sampleMs processor time of one sample; a first one of the same length warms up. */
export function measurePiece({ name, operations = 1, run }: Piece, sampleMs: number): PieceResult {
  let kept: unknown;
  const sample = (): number => {
    collectGarbage();
    const start = processorMs();
    let calls = 0;
    let batch = 1;
    let usedMs = 0;
    while (usedMs < sampleMs) {
      for (let i = 0; i < batch; i++) kept = run();
      calls += batch;
      usedMs = processorMs() - start;
      // Asking for the time must cost nothing beside the work.
      if (usedMs < sampleMs / 20) batch *= 2;
    }
    return (usedMs * 1e6) / (calls * operations);
  };
  sample();
  const samplesNs = Array.from({ length: SAMPLES }, sample);
  if (kept === undefined) throw new Error(`${name} did nothing`);
  return { name, samplesNs, allocatedBytes: Math.round(allocatedPerCall(run) / operations) };
}

function allocatedPerCall(run: () => unknown): number {
  const during = (calls: number): number => {
    collectGarbage({ type: "minor" });
    const before = allocated();
    for (let i = 0; i < calls; i++) run();
    return allocated() - before;
  };
  const bytes = during(1);
  // A large piece is collected while it runs; what it allocates can be told only about.
  if (bytes > COUNTED_BYTES) return bytes;
  const calls = Math.min(COUNTED_CALLS_MAX, Math.max(4, Math.floor(COUNTED_BYTES / Math.max(1, during(4) / 4))));
  // Two runs, so that what counting itself takes cancels out.
  return Math.max(0, median(Array.from({ length: 2 * SAMPLES }, () => (during(2 * calls) - during(calls)) / calls)));
}

function allocated(): number {
  return getHeapStatistics().used_heap_size + process.memoryUsage().arrayBuffers;
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
