// The arguments and the help of `understudy completion`, and the hidden command that the shells call.

import { Argument, type Command } from "commander";
import { type Shell, shells } from "../../completion/scripts.ts";
import type { CommandContext } from "../../context.ts";

export function addCompletionCommand(program: Command, { output }: CommandContext): void {
  program
    .command("completion")
    .summary("print what makes a shell complete with Tab")
    .description("Prints a script that makes a shell complete the commands and options of understudy.")
    .addArgument(new Argument("<shell>", "which shell").choices(shells))
    .addHelpText("after", completionHelp)
    .action(async (shell: Shell) => {
      const { completionScript } = await import("../../completion/scripts.ts");
      output.write(await completionScript(shell));
    });
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .action(async (words: readonly string[]) => {
      const { completeWords } = await import("../../completion/completeWords.ts");
      const { candidates, others } = await completeWords(program, words);
      for (const { value, description } of candidates) output.write(`${value}\t${description.split("\n")[0] ?? ""}\n`);
      output.write(`:${others}\n`);
    });
}

const completionHelp = `
To have it in every new shell:
  bash:  understudy completion bash > ~/.local/share/bash-completion/completions/understudy
         (or in ~/.bashrc: source <(understudy completion bash))
  zsh:   in ~/.zshrc, after compinit: source <(understudy completion zsh)
  fish:  understudy completion fish > ~/.config/fish/completions/understudy.fish

Exit codes:
  0  printed
  2  wrong arguments`;
