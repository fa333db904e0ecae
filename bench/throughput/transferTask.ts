// What a measured transfer is told, and what it gives back.

import { Program } from "./program.ts";
import type { Reading } from "./readings.ts";

export interface TransferTask {
  /** `plain` connects to `port`; the others have the agent at `port` connect to `peerPort`. `raw` frames bytes by hand and looks at none that come. */
  readonly how: "plain" | "raw" | "library";
  readonly direction: "down" | "up";
  readonly host: string;
  readonly port: number;
  readonly peerPort: number;
  /** What a plain connection sends first. */
  readonly first: string;
  readonly connections: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Whose processor time counts; null is the process that moves the bytes. */
  readonly pid: number | null;
}

export interface TransferResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** In a process of its own. */
export async function moveBytes(task: TransferTask): Promise<Reading> {
  const [client, { bytes, seconds, cpuSeconds }] = await Program.here<TransferResult>("transfer.ts", JSON.stringify(task));
  client[Symbol.dispose]();
  return { mbPerSecond: bytes / seconds / 1e6, cpuSecondsPerGb: cpuSeconds / (bytes / 1e9) };
}
