// What a user asks of the files to find.

import type { Found } from "../../targetFiles/walk.ts";

export interface SizeTest {
  readonly is: "more" | "less" | "exactly";
  readonly bytes: number;
}

/** Null asks nothing. */
export interface FindTests {
  readonly name: ((name: string) => boolean) | null;
  readonly type: "f" | "d" | "l" | null;
  readonly size: SizeTest | null;
  readonly newer: Date | null;
}

const types = { f: "file", d: "directory", l: "symlink" } as const;
const ageUnits: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const units: Readonly<Record<string, number>> = { "": 1, k: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** Whether metadata must be asked for, which costs a request a file. */
export function needsStats({ size, newer }: FindTests): boolean {
  return size !== null || newer !== null;
}

/** @throws Error when a time is asked for that the agent does not tell. */
export function passes({ name, type, size, newer }: FindTests, found: Found): boolean {
  if (name !== null && !name(found.name)) return false;
  if (type !== null && found.type !== types[type]) return false;
  if (size !== null && (found.stats === null || !isSize(size, found.stats.size))) return false;
  return newer === null || isNewer(found, newer);
}

function isSize({ is, bytes }: SizeTest, size: number): boolean {
  if (is === "exactly") return size === bytes;
  return is === "more" ? size > bytes : size < bytes;
}

/** @throws Error when it is none. */
export function parseSize(text: string): SizeTest {
  const [, sign, digits, unit = ""] = /^([+-]?)(\d{1,15})([kMG]?)$/.exec(text) ?? [];
  const factor = units[unit];
  if (digits === undefined || factor === undefined) throw new Error("a size is a number, with + or - before it and k, M or G behind it");
  return { is: sign === "+" ? "more" : sign === "-" ? "less" : "exactly", bytes: Number(digits) * factor };
}

function isNewer({ stats }: Found, newer: Date): boolean {
  const mtime = stats?.mtime ?? null;
  if (mtime === null)
    throw new Error("the agent does not tell times: --newer needs one that is started with UNDERSTUDY_FULL_FILE_TIMES=true");
  return mtime > newer;
}

/** @throws Error when it is neither a time nor an age. */
export function parseNewer(text: string): Date {
  const [, digits, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const factor = ageUnits[unit];
  if (digits !== undefined && factor !== undefined) return new Date(Date.now() - Number(digits) * factor);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new Error("a time is as 2026-01-31 or 2026-01-31T12:00Z, an age as 90s, 10m, 2h or 7d");
  return new Date(time);
}

/** @throws Error when it is none. */
export function parseDepth(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new Error("a depth is a number from 0 on");
  return Number(text);
}
