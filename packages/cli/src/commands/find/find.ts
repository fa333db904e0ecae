// `understudy find`: the files of a tree that pass some tests, as they are found.

import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withSession } from "../../agent/withAgent.ts";
import type { Output } from "../../output.ts";
import { Failures } from "../../targetFiles/failures.ts";
import { metadataJson } from "../../targetFiles/metadataJson.ts";
import { shownPath } from "../../targetFiles/targetPath.ts";
import { type Found, walk } from "../../targetFiles/walk.ts";
import { type FindTests, needsStats, passes } from "./tests.ts";

export interface FindCommandOptions extends AgentOptions {
  readonly path: string;
  readonly maxDepth: number;
  readonly tests: FindTests;
  readonly form: "lines" | "nul" | "json";
}

/** Resolves with the exit code. */
export async function find({ path, maxDepth, tests, form, ...agent }: FindCommandOptions, output: Output): Promise<number> {
  return await withSession(agent, output, async ({ files }) => {
    const failures = new Failures((text) => output.note(text));
    for await (const found of walk(files, path, { maxDepth, needsStats: form === "json" || needsStats(tests), failures })) {
      if (passes(tests, found)) await print(found, form, output);
      if (output.isReaderGone) return 0;
    }
    return failures.exitCode;
  });
}

async function print({ path, type, stats }: Found, form: FindCommandOptions["form"], output: Output): Promise<void> {
  if (form === "json") await output.line(metadataJson(path, type, stats));
  else if (form === "nul") await output.bytes(Buffer.from(`${path}\0`));
  else await output.line(shownPath(path, output));
}
