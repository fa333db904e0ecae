// Runs the programs of iptables, of either backend and family: reads rules, and applies a batch of changes. It knows nothing of what rules mean.
// They run in the network namespace of the calling thread, never wait on the event loop, and have a bound for their time and what they print.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

/** The two sets of rules that one namespace can have, which do not see each other. */
export type Backend = "legacy" | "nft";
export const backends: readonly Backend[] = ["legacy", "nft"];

export type Family = "ipv4" | "ipv6";
export const families: readonly Family[] = ["ipv4", "ipv6"];

/** The family's name in the language of nft(8) and in the names of programs. */
export const familyNames = { ipv4: { nft: "ip", program: "iptables" }, ipv6: { nft: "ip6", program: "ip6tables" } } as const;

/** A program is missing, or did not do what it was asked for. */
export class XtablesError extends Error {
  override readonly name = "XtablesError";
}

/** Far above what the largest rule sets take; nobody waits longer for a lock that is held for ever. */
const timeoutMs = 20_000;
const complaintMaxChars = 2000;

/** Lines that are kept of a listing. Meshes have a few dozen; what is beyond is no rule that we look for. */
const linesMax = 20_000;

function start(program: string, args: readonly string[]) {
  return spawn(`/usr/sbin/${program}`, args, {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    cwd: "/",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    env: { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
}

/** Runs one program with the given input and hands out its output line by line. */
async function run(program: string, args: readonly string[], input: string, onLine: (line: string) => void): Promise<void> {
  const child = start(program, args);
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (complaint.length < complaintMaxChars) complaint += text;
  });
  createInterface({ input: child.stdout }).on("line", onLine);
  // A program that ends before it has read everything says why.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  let ended: unknown[];
  try {
    ended = await once(child, "close");
  } catch (cause) {
    throw new XtablesError(`${program} cannot be started`, { cause });
  }
  const [code, signal] = ended as [number | null, NodeJS.Signals | null];
  if (code === 0) return;
  const said = complaint.replaceAll(/\s+/g, " ").trim().slice(0, 300);
  throw new XtablesError(`${program} ended with ${signal ?? code}${said === "" ? "" : `: ${said}`}`);
}

/**
 * Reads rules as `iptables-save` prints them, and returns the lines that are asked for. Nothing is changed by it: a legacy table that no
 * one has used yet, which reading would make, is not read.
 *
 * @throws XtablesError
 */
export async function readRules(
  family: Family,
  backend: Backend,
  tables: readonly ("nat" | "mangle")[],
  isWanted: (line: string) => boolean,
): Promise<string[]> {
  const lines: string[] = [];
  for (const table of tables) {
    if (backend === "legacy" && !(await legacyTables(family)).includes(table)) continue;
    await run(`${familyNames[family].program}-${backend}-save`, ["-t", table], "", (line) => {
      if (lines.length < linesMax && isWanted(line)) lines.push(line);
    });
  }
  return lines;
}

/** Tables of iptables-legacy that are in use. The kernel makes them when they are first looked at. */
async function legacyTables(family: Family): Promise<string[]> {
  const path = `/proc/net/${family === "ipv4" ? "ip" : "ip6"}_tables_names`;
  try {
    return (await readFile(path, "utf8")).split("\n");
  } catch {
    // The kernel has none loaded.
    return [];
  }
}

/**
 * Applies changes of the table `nat`, all or none.
 *
 * @param changes lines in the language of iptables-restore(8), without the table and COMMIT.
 * @throws XtablesError; then nothing was changed.
 */
export async function changeRules(family: Family, backend: Backend, changes: readonly string[]): Promise<void> {
  const input = `*nat\n${changes.map((line) => `${line}\n`).join("")}COMMIT\n`;
  await run(`${familyNames[family].program}-${backend}-restore`, ["--noflush", "--wait"], input, () => undefined);
}
