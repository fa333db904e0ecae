// Answers of the reference that are checked in, one scenario a line; see README.md for their origin.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { NormalForm } from "./normalise.ts";
import type { Mode } from "./scenario.ts";

export const recordedFile = new URL("recorded.jsonl", import.meta.url);

/** A line. */
export interface Recorded extends Omit<NormalForm, "requests"> {
  readonly mode: Mode;
  readonly scenario: string;
  /** Of the requests that were answered; see {@link digestOf}. */
  readonly digest: string;
}

/** Tells whether a scenario is still what it was when it was recorded. */
export function digestOf({ requests }: NormalForm): string {
  return createHash("sha256").update(JSON.stringify(requests)).digest("hex").slice(0, 16);
}

export async function readRecorded(mode: Mode): Promise<ReadonlyMap<string, Recorded>> {
  const lines = (await readFile(recordedFile, "utf8")).trimEnd().split("\n");
  const all = lines.map((line) => JSON.parse(line) as Recorded);
  return new Map(all.filter((one) => one.mode === mode).map((one) => [one.scenario, one]));
}
