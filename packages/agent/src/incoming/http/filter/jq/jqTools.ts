// Finds jq and the tools that bound it, and builds the command line of a bounded jq.
//
// The chain is choom, prlimit, setpriv (all of util-linux), jq: each replaces itself by the next, so that there is one process, whose
// id is known. choom makes it the first to be killed when the pod is out of memory. No network or file access is taken away beyond
// that of an unprivileged user: jq has no functions for either, apart from modules (see `jqSource.ts`).

import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { FilterError } from "../filterError.ts";

/** Absolute paths. */
export interface JqTools {
  readonly jq: string;
  readonly choom: string;
  readonly prlimit: string;
  readonly setpriv: string;
}

const usualFolders = ["/usr/bin", "/bin", "/usr/local/bin"];

/** Private memory that can be written, in bytes; an idle jq has 0.9 MiB, of which the definitions of its own language are the most. */
const dataMaxBytes = 8 * 1024 * 1024;
/** All address space. Only a second line of defence: shared libraries count, too. */
const addressSpaceMaxBytes = 64 * 1024 * 1024;
const stackMaxBytes = 1024 * 1024;
/** jq opens only its libraries, one at a time, beside its three pipes. */
const openFilesMax = 8;
/** Computing time of one child's whole life, in seconds; then it is replaced. A million requests, and an end for one whose agent was killed while it started. */
const residentCpuSeconds = 60;
const checkCpuSeconds = 2;

/** Children get user ids of their own, one a slot, so that they are nobody's: neither the target's nor each other's. */
const firstUserId = 64_300;

/**
 * Looks in the usual folders and in those of `searchPath`, which is in the form of PATH.
 *
 * @throws FilterError for the client, when one is missing.
 */
export async function findJqTools(searchPath: string): Promise<JqTools> {
  const folders = searchPath.split(delimiter).filter((folder) => folder.startsWith("/"));
  const jq = await find("jq", folders);
  const choom = await find("choom", folders);
  const prlimit = await find("prlimit", folders);
  const setpriv = await find("setpriv", folders);
  return { jq, choom, prlimit, setpriv };
}

async function find(name: string, folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not here; perhaps in the next folder.
    }
  }
  throw new FilterError(`jq filters are not available in this agent: the program ${name} was not found`);
}

/** The folders to search by default, in the form of PATH. */
export function defaultSearchPath(): string {
  return [...usualFolders, process.env["PATH"] ?? ""].join(delimiter);
}

/** The command line of a bounded jq. `slot` is what tells it from other children that run at the same time. */
export function boundedJq(
  tools: JqTools,
  use: "check" | "resident",
  slot: number,
  source: string,
): readonly [command: string, args: string[]] {
  const cpuSeconds = use === "check" ? checkCpuSeconds : residentCpuSeconds;
  const userId = firstUserId + slot;
  const drop = process.getuid?.() === 0 ? [`--reuid=${userId}`, `--regid=${userId}`, "--clear-groups", "--inh-caps=-all"] : [];
  const limits = [
    "--core=0",
    // The signal of the soft limit tells this end from others.
    `--cpu=${cpuSeconds}:${cpuSeconds + 5}`,
    `--data=${dataMaxBytes}`,
    `--as=${addressSpaceMaxBytes}`,
    `--stack=${stackMaxBytes}`,
    `--nofile=${openFilesMax}`,
    "--fsize=0",
    "--memlock=0",
    "--msgqueue=0",
  ];
  return [
    tools.choom,
    ["-n", "1000", "--", tools.setpriv, ...drop, "--no-new-privs", "--pdeathsig=KILL", tools.prlimit, ...limits, "--nproc=0"]
      // A folder without modules; the client's text comes last and does not start with a dash.
      .concat([tools.jq, "--compact-output", "--unbuffered", "-L", "/nonexistent", source]),
  ];
}
