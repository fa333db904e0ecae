// The arguments and the help of `understudy demo`.

import { Argument, type Command } from "commander";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { parseStepName, type StepName, stepNames } from "../../demo/stepNames.ts";

interface Options {
  readonly keep?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

export function addDemoCommand(program: Command, { output, exitWith }: CommandContext): void {
  program
    .command("demo")
    .summary("see it all once, on this machine alone")
    .description(
      "Runs a small shop with an agent beside it in a namespace of its own, shows what can be done with it, and removes everything again.",
    )
    .addArgument(stepsArgument())
    .option("--list", "print the steps and what they show, and do nothing")
    .option("--json", "with --list: print one JSON array")
    .option("--keep", "leave it running until Ctrl-C and tell how to reach it")
    .addHelpText("after", demoHelp)
    .action(async (names: readonly StepName[], { keep = false, list = false, json = false }: Options, command: Command) => {
      if (json && !list) command.error("error: --json goes with --list");
      const { demo, listSteps } = await import("./demo.ts");
      if (list) return await listSteps(names, json, output);
      exitWith(await demo({ names, keep }, output));
    });
}

/** The choices are for help and completion. */
function stepsArgument(): Argument {
  const parse = argument(parseStepName);
  return new Argument("[step...]", "what to show, in the order of the tour; all of it without one")
    .choices(stepNames)
    .argParser((text, before: readonly StepName[] | undefined) => [...(before ?? []), parse(text)]);
}

const demoHelp = `
Needs Linux, root, and the programs ip, nft, unshare, nsenter and mount. Nothing outside its own namespace is touched but for the
network cable into it, which goes with it.

Exit codes:
  0    all of it was shown; with --keep: ended by Ctrl-C
  1    something is missing, or did not go as it should
  2    wrong arguments, such as a step that there is not
  130  ended by Ctrl-C (143: by SIGTERM)

Examples:
  sudo understudy demo
  understudy demo --list
  understudy demo --list --json | jq -r '.[].name'
  sudo understudy demo mirror tcp
  sudo understudy demo --keep`;
