// The arguments and the help of `understudy demo`.

import type { Command } from "commander";
import type { CommandContext } from "../../context.ts";

export function addDemoCommand(program: Command, { output, exitWith }: CommandContext): void {
  program
    .command("demo")
    .summary("see it all once, on this machine alone")
    .description("Runs a small shop with an agent beside it in a namespace of its own, steals from it, and removes everything again.")
    .option("--keep", "leave it running until Ctrl-C and tell how to reach it")
    .addHelpText("after", demoHelp)
    .action(async (options: { keep?: boolean }) => {
      const { demo } = await import("./demo.ts");
      exitWith(await demo({ keep: options.keep === true }, output));
    });
}

const demoHelp = `
Needs Linux, root, and the programs ip, nft, unshare, nsenter and mount. Nothing outside its own namespace is touched but for the
network cable into it, which goes with it.

Exit codes:
  0    all of it was shown
  1    something is missing, or did not go as it should
  130  ended by Ctrl-C (143: by SIGTERM)

Examples:
  sudo understudy demo
  sudo understudy demo --keep`;
