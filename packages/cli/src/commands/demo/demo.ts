// `understudy demo`: shows what there is on this machine, and removes it again however it ends.

import { missingRequirements } from "../../demo/requirements.ts";
import type { StepName } from "../../demo/stepNames.ts";
import { stepsNamed } from "../../demo/steps/steps.ts";
import { tour } from "../../demo/tour.ts";
import type { Output } from "../../output.ts";

/** The story takes about two seconds; something hangs when it is not over by then. */
const TOUR_MAX_MS = 30_000;
const NAME_WIDTH = 11;
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
type EndSignal = keyof typeof exitCodes;

export interface DemoCommandOptions {
  /** What to show; none: all of it. */
  readonly names: readonly StepName[];
  /** Leave everything running until Ctrl-C. */
  readonly keep: boolean;
}

/** Prints the steps, each with its name and what it shows; with `json` as one document. */
export async function listSteps(names: readonly StepName[], json: boolean, output: Output): Promise<void> {
  const steps = stepsNamed(names);
  if (json) return await output.line(JSON.stringify(steps.map(({ name, title }) => ({ name, title }))));
  for (const { name, title } of steps) await output.line(`${name.padEnd(NAME_WIDTH)}${title}`);
}

/** Resolves with the exit code. */
export async function demo({ names, keep }: DemoCommandOptions, output: Output): Promise<number> {
  const missing = await missingRequirements();
  for (const sentence of missing) output.note(sentence);
  if (missing.length > 0) return 1;

  const stopped = new AbortController();
  let endedBy: EndSignal | null = null;
  const onSignal = (signal: EndSignal): void => {
    // A second one does not wait: what the demo made ends with this process in any case.
    if (endedBy !== null) output.quit(exitCodes[signal]);
    endedBy = signal;
    stopped.abort();
  };
  const timer = setTimeout(() => stopped.abort(new Error(`the demo was not over after ${TOUR_MAX_MS / 1000} s`)), TOUR_MAX_MS);
  if (keep) clearTimeout(timer);
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    await tour(output, { steps: stepsNamed(names), keep, signal: stopped.signal });
    if (keep) output.note("everything the demo made is gone");
    return 0;
  } catch (error) {
    return failed(stopped.signal.aborted ? stopped.signal.reason : error, endedBy, output);
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function failed(error: unknown, endedBy: EndSignal | null, output: Output): number {
  if (endedBy !== null) {
    output.note("interrupted; everything the demo made is gone");
    return exitCodes[endedBy];
  }
  const text = error instanceof Error ? error.message : String(error);
  output.note(text);
  if (/not permitted|permission denied/i.test(text)) {
    output.note("root alone is not enough here: the demo needs the rights SYS_ADMIN and NET_ADMIN, in a container --privileged");
  }
  return 1;
}
