// `understudy cp`: files between this machine and the target, several at once.

import { basename, dirname } from "node:path";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withSession } from "../../agent/withAgent.ts";
import { type Output, printable } from "../../output.ts";
import { EXIT_USAGE } from "../../exitCodes.ts";
import { Progress } from "../../progress.ts";
import { Failures } from "../../targetFiles/failures.ts";
import { below, isHonestName } from "../../targetFiles/targetPath.ts";
import { copyFile, type CopySides, type FileJob } from "./copyFile.ts";
import { type CopyWays, FileJobs } from "./fileJobs.ts";
import { machineSide } from "./machineSide.ts";
import type { Place } from "./place.ts";
import type { Side } from "./side.ts";
import { TargetSide } from "./targetSide.ts";

/** Files under way at once. */
const FILES_AT_ONCE = 4;

export interface CpCommandOptions extends AgentOptions {
  readonly from: Place;
  readonly to: Place;
  readonly ways: CopyWays;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function cp({ from, to, ways, json, ...agent }: CpCommandOptions, output: Output): Promise<number> {
  if (from.side === to.side) {
    output.note("one of both must be the target's: write :PATH for it");
    return EXIT_USAGE;
  }
  return await withSession(agent, output, async ({ files }) => {
    const target = new TargetSide(files);
    const sides: CopySides = from.side === "target" ? { from: target, to: machineSide } : { from: machineSide, to: target };
    using progress = new Progress(output);
    const failures = new Failures((text) => progress.note(text));
    const jobs = new FileJobs(sides, ways, failures);
    const { directory, name } = await destination(sides.to, from.path, to.path);
    const copy = async (job: FileJob): Promise<void> => {
      try {
        await copyOne(sides, job, { resumes: ways.resumes, json, progress, output });
      } catch (error) {
        failures.add(job.source, error);
      }
    };
    await severalAtOnce(jobs.below(from.path, directory, name), copy);
    for (const { path, stats } of jobs.madeDirs.toReversed()) {
      await sides.to.finishDir(path, stats).catch((error: unknown) => failures.add(path, error));
    }
    progress.summary();
    return failures.exitCode;
  });
}

interface CopyContext {
  readonly resumes: boolean;
  readonly json: boolean;
  readonly progress: Progress;
  readonly output: Output;
}

async function copyOne(sides: CopySides, job: FileJob, { resumes, json, progress, output }: CopyContext): Promise<void> {
  progress.expect(job.stats.size);
  const startedAt = performance.now();
  const { bytes, resumedAt, hasChanged } = await copyFile(sides, job, resumes, progress);
  progress.fileDone();
  if (hasChanged) progress.note(`${printable(job.source)} has changed while it was copied`);
  if (!json) return;
  const ms = Math.round(performance.now() - startedAt);
  await output.line(JSON.stringify({ source: job.source, destination: below(job.directory, job.name), bytes, resumedAt, hasChanged, ms }));
}

/** As cp(1): into a directory that is there, or to a new name. */
async function destination(to: Side, source: string, path: string): Promise<{ directory: string; name: string }> {
  const name = basename(source);
  if (!(await isExistingDirectory(to, path))) return { directory: dirname(path), name: basename(path) };
  // What has no name of its own, such as `/` and `.`, is copied into the directory itself.
  return { directory: path, name: isHonestName(name) ? name : "." };
}

async function isExistingDirectory(side: Side, path: string): Promise<boolean> {
  try {
    return (await side.stat(path, true)).type === "directory";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

/** Runs `work` on all, a few at a time. Rejects with its first failure. */
async function severalAtOnce<T>(all: AsyncIterable<T>, work: (one: T) => Promise<void>): Promise<void> {
  const running = new Set<Promise<void>>();
  for await (const one of all) {
    const done = work(one).finally(() => running.delete(done));
    // It is awaited below, unless another one fails first.
    done.catch(() => undefined);
    running.add(done);
    if (running.size >= FILES_AT_ONCE) await Promise.race(running);
  }
  await Promise.all(running);
}
