// What encoding and decoding cost: messages per second of processor time, memory allocated per message, and how much dearer a large
// message is when it arrives in pieces. See README.md for what this does not say.
//
// Usage: node --conditions=source bench/protocol/run.ts [--json]

import { parseArgs } from "node:util";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ClientMessage, StreamDecoder, Writer } from "@understudy/protocol";
import { forEachCase, largeCases, type MessageCase } from "./cases.ts";

const RECEIVE_BYTES = 64 * 1024;
const PIECE_BYTES = 8 * 1024;
const SAMPLES = 5;
const SAMPLE_MS = 150;
/** Few enough that the young generation is not collected while allocations are counted. */
const COUNTED_BYTES = 128 * 1024;

interface MessageResult {
  readonly name: string;
  readonly wireBytes: number;
  readonly encodedPerSecond: number;
  readonly decodedPerSecond: number;
  readonly encodeAllocates: number;
  readonly decodeAllocates: number;
}

interface PiecewiseResult {
  readonly name: string;
  readonly wireBytes: number;
  readonly atOnceMs: number;
  readonly inPiecesMs: number;
  readonly ratio: number;
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as (options?: { type: "major" | "minor" }) => void;

const messages: MessageResult[] = [];
forEachCase((one) => messages.push(measureMessage(one)));
const piecewise = largeCases.map(measurePiecewise);
const { values: options } = parseArgs({ options: { json: { type: "boolean", default: false } } });
console.log(options.json ? JSON.stringify({ node: process.version, messages, piecewise }, null, 2) : markdown());

function measureMessage<T>({ name, codec, relays, message }: MessageCase<T>): MessageResult {
  const encode = (count: number): Uint8Array[] => {
    const out = new Writer();
    const segments: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      codec.write(out, message);
      // About what one turn of an event loop collects before it writes.
      if (i % 32 === 31) segments.push(...out.take());
    }
    segments.push(...out.take());
    return segments;
  };
  const single = Buffer.concat(encode(1));
  const inStream = Math.max(1, Math.floor((2 * 1024 * 1024) / single.length));
  const stream = Buffer.concat(Array.from({ length: inStream }, () => single));
  const pieces = cut(stream, RECEIVE_BYTES);
  const decode = (some: readonly Uint8Array[]): number => {
    const decoder = new StreamDecoder(codec, { relays });
    let count = 0;
    for (const piece of some) {
      decoder.feed(piece);
      while (decoder.next() !== undefined) count += 1;
    }
    return count;
  };
  const encodedPerSecond = ratePerSecond(() => encode(1000).length, 1000);
  const decodedPerSecond = ratePerSecond(() => decode(pieces), inStream);
  return {
    name,
    wireBytes: single.length,
    encodedPerSecond,
    decodedPerSecond,
    encodeAllocates: allocatedPerMessage((count) => encode(count).length, single.length),
    decodeAllocates: allocatedPerMessage((count) => decode(cut(stream.subarray(0, count * single.length), RECEIVE_BYTES)), single.length),
  };
}

/** Median of several samples, by processor time. */
function ratePerSecond(run: () => number, messagesPerRun: number): number {
  const rates: number[] = [];
  for (let sample = 0; sample <= SAMPLES; sample++) {
    collectGarbage();
    const start = process.cpuUsage();
    let runs = 0;
    let usedMs = 0;
    while (usedMs < SAMPLE_MS) {
      run();
      runs += 1;
      usedMs = cpuMsSince(start);
    }
    // The first sample warms up.
    if (sample > 0) rates.push((runs * messagesPerRun * 1000) / usedMs);
  }
  return median(rates);
}

/**
 * Bytes of heap and array buffers that one message allocates. Two runs that differ by `count` messages, so that what a run itself takes
 * (its writer or decoder) cancels out; so few messages that nothing is collected meanwhile.
 */
function allocatedPerMessage(run: (count: number) => number, wireBytes: number): number {
  const count = Math.max(4, Math.floor(COUNTED_BYTES / (wireBytes + 32)));
  const measure = (messages: number): number => {
    // A full collection would also make optimised code forget what it has learnt.
    collectGarbage({ type: "minor" });
    const before = allocated();
    run(messages);
    return allocated() - before;
  };
  const samples = Array.from({ length: 4 * SAMPLES }, () => (measure(2 * count) - measure(count)) / count);
  return Math.max(0, Math.round(median(samples)));
}

function allocated(): number {
  return getHeapStatistics().used_heap_size + process.memoryUsage().arrayBuffers;
}

function measurePiecewise({ name, message, repeats }: (typeof largeCases)[number]): PiecewiseResult {
  const out = new Writer();
  ClientMessage.write(out, message);
  const bytes = Buffer.concat(out.take());
  const pieces = cut(bytes, PIECE_BYTES);
  const cost = (some: readonly Uint8Array[]): number => {
    collectGarbage();
    const start = process.cpuUsage();
    for (let i = 0; i < repeats; i++) {
      const decoder = new StreamDecoder(ClientMessage);
      for (const piece of some) {
        decoder.feed(piece);
        decoder.next();
      }
    }
    return cpuMsSince(start) / repeats;
  };
  const atOnce: number[] = [];
  const inPieces: number[] = [];
  for (let round = 0; round <= SAMPLES; round++) {
    const costs = [cost([bytes]), cost(pieces)] as const;
    // The first round warms up.
    if (round === 0) continue;
    atOnce.push(costs[0]);
    inPieces.push(costs[1]);
  }
  const [atOnceMs, inPiecesMs] = [median(atOnce), median(inPieces)];
  return { name, wireBytes: bytes.length, atOnceMs, inPiecesMs, ratio: inPiecesMs / atOnceMs };
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

function cpuMsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function markdown(): string {
  const whole = (value: number): string => Math.round(value).toLocaleString("en");
  return [
    "| message | bytes | encode /s | decode /s | encode allocates, B | decode allocates, B |",
    "|---|---:|---:|---:|---:|---:|",
    ...messages.map(
      (one) =>
        `| ${one.name} | ${whole(one.wireBytes)} | ${whole(one.encodedPerSecond)} | ${whole(one.decodedPerSecond)} | ${whole(one.encodeAllocates)} | ${whole(one.decodeAllocates)} |`,
    ),
    "",
    `| large message, pieces of ${PIECE_BYTES / 1024} KiB | bytes | at once, ms | in pieces, ms | ratio |`,
    "|---|---:|---:|---:|---:|",
    ...piecewise.map(
      (one) =>
        `| ${one.name} | ${whole(one.wireBytes)} | ${one.atOnceMs.toFixed(1)} | ${one.inPiecesMs.toFixed(1)} | ${one.ratio.toFixed(2)} |`,
    ),
  ].join("\n");
}
