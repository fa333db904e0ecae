// What takes more than one request: whole paths and whole trees.

import { posix } from "node:path";
import type { FileRequests } from "./fileRequests.ts";
import { FileError } from "./fileError.ts";
import { Dirent, Stats } from "./stats.ts";
import type { WaitOptions } from "./untilAborted.ts";

/** As the kernel has it. */
const LINKS_MAX = 40;

/** `error` is the agent's refusal with this code. */
export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof FileError && error.code !== null && codes.includes(error.code);
}

/** The entries of a directory as they come. */
export async function* entriesOf(requests: FileRequests, path: string, wait: WaitOptions): AsyncGenerator<Dirent, void, undefined> {
  for await (const entry of requests.readDir(path, wait)) yield new Dirent(entry, path);
}

/** A directory's entries and those below, directories before what is in them. Does not follow links. */
export async function* entriesBelow(requests: FileRequests, path: string, wait: WaitOptions): AsyncGenerator<Dirent, void, undefined> {
  for await (const entry of entriesOf(requests, path, wait)) {
    yield entry;
    const full = posix.join(path, entry.name);
    if (await isDirectory(requests, full, entry, wait)) yield* entriesBelow(requests, full, wait);
  }
}

/** Makes a directory and those above it; gives the first that was made, if any. */
export async function makeDirs(requests: FileRequests, path: string, mode: number, wait: WaitOptions): Promise<string | undefined> {
  try {
    await requests.makeDir(path, mode, wait);
    return path;
  } catch (error) {
    const parent = posix.dirname(path);
    if (isCode(error, "ENOENT") && parent !== path) {
      const first = await makeDirs(requests, parent, mode, wait);
      await makeDirs(requests, path, mode, wait);
      return first ?? path;
    }
    if (!isCode(error, "EEXIST") || !new Stats(await requests.stat(path, wait)).isDirectory()) throw error;
    return undefined;
  }
}

export interface RmOptions extends WaitOptions {
  /** A path that does not exist is no error. */
  readonly force?: boolean;
  /** Removes directories with all that is in them. Links are removed, not followed. */
  readonly recursive?: boolean;
}

export async function remove(requests: FileRequests, path: string, { force = false, recursive = false, signal }: RmOptions): Promise<void> {
  const wait = { signal };
  try {
    const stats = new Stats(await requests.stat(path, { ...wait, followSymlink: false }));
    if (stats.isDirectory() && recursive) await removeTree(requests, path, wait);
    else await requests.unlink(path, wait);
  } catch (error) {
    if (!force || !isCode(error, "ENOENT")) throw error;
  }
}

async function removeTree(requests: FileRequests, path: string, wait: WaitOptions): Promise<void> {
  for await (const entry of entriesOf(requests, path, wait)) {
    const full = posix.join(path, entry.name);
    if (await isDirectory(requests, full, entry, wait)) await removeTree(requests, full, wait);
    else await requests.unlink(full, wait);
  }
  await requests.removeDir(path, wait);
}

/** Follows every link of a path, as realpath(3) does. */
export async function resolveLinks(requests: FileRequests, path: string, wait: WaitOptions): Promise<string> {
  const pending = path.split("/").reverse();
  let resolved = "/";
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const next = posix.join(resolved, name);
    if (next === resolved || name === "..") {
      resolved = next;
      continue;
    }
    const stats = new Stats(await requests.stat(next, { ...wait, followSymlink: false }));
    if (!stats.isSymbolicLink()) {
      resolved = next;
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) {
      const response = { kind: "remoteIO", value: { rawOsError: 40, kind: { kind: "filesystemLoop" } } } as const;
      throw new FileError({ syscall: "realpath", path }, response);
    }
    const target = await requests.readLink(next, wait);
    if (target.startsWith("/")) resolved = "/";
    pending.push(...target.split("/").reverse());
  }
  return resolved;
}

async function isDirectory(requests: FileRequests, path: string, entry: Dirent, wait: WaitOptions): Promise<boolean> {
  if (entry.type !== "unknown") return entry.isDirectory();
  return new Stats(await requests.stat(path, { ...wait, followSymlink: false })).isDirectory();
}
