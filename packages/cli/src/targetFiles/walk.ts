// A tree of the target, depth first, in a bounded memory: of each directory on the way down one batch of entries is held.

import type { Dirent, FileType, Stats, TargetFiles } from "@understudy/client";
import type { Failures } from "./failures.ts";
import { below, isHonestName } from "./targetPath.ts";

export interface Found {
  /** Begins as the top was written. */
  readonly path: string;
  readonly name: string;
  /** 0 is the top itself. */
  readonly depth: number;
  readonly type: FileType;
  /** Of a link itself. Null unless it was asked for. */
  readonly stats: Stats | null;
}

export interface WalkOptions {
  /** Deepest that is looked at. */
  readonly maxDepth: number;
  readonly needsStats: boolean;
  readonly failures: Failures;
}

/** Entries whose metadata is asked for at once. */
const BATCH = 64;

/** A directory comes before what is in it. Links are not followed, so that there are no loops. What fails is told and left out. */
export async function* walk(files: TargetFiles, top: string, options: WalkOptions): AsyncGenerator<Found, void, undefined> {
  try {
    const stats = await files.lstat(top);
    const found = { path: top, name: top.split("/").findLast((part) => part !== "") ?? "/", depth: 0, type: stats.type, stats };
    yield found;
    if (stats.isDirectory()) yield* walkBelow(files, found, options);
  } catch (error) {
    options.failures.add(top, error);
  }
}

async function* walkBelow(files: TargetFiles, directory: Found, options: WalkOptions): AsyncGenerator<Found, void, undefined> {
  if (directory.depth >= options.maxDepth) return;
  try {
    for await (const batch of batches(files.opendir(directory.path))) {
      for (const found of await Promise.all(batch.map((entry) => lookAt(files, directory, entry, options)))) {
        if (found === null) continue;
        yield found;
        if (found.type === "directory") yield* walkBelow(files, found, options);
      }
    }
  } catch (error) {
    options.failures.add(directory.path, error);
  }
}

async function lookAt(files: TargetFiles, directory: Found, entry: Dirent, { needsStats, failures }: WalkOptions): Promise<Found | null> {
  const path = below(directory.path, entry.name);
  if (!isHonestName(entry.name)) {
    failures.tell(`${directory.path}: the agent tells a name that is none: ${entry.name}`);
    return null;
  }
  try {
    const stats = needsStats || entry.type === "unknown" ? await files.lstat(path) : null;
    return { path, name: entry.name, depth: directory.depth + 1, type: stats?.type ?? entry.type, stats };
  } catch (error) {
    failures.add(path, error);
    return null;
  }
}

async function* batches(entries: AsyncIterable<Dirent>): AsyncGenerator<Dirent[], void, undefined> {
  let batch: Dirent[] = [];
  for await (const entry of entries) {
    batch.push(entry);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
