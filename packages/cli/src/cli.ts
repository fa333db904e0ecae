// The program and its commands. Each folder of `commands` has one: `command.ts` its arguments and help, beside it what it does, which is loaded when it runs, so that help is quick.

import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { addCompletionCommand } from "./commands/completion/command.ts";
import { addConfigCommand } from "./commands/config/command.ts";
import { addDemoCommand } from "./commands/demo/command.ts";
import { addDnsCommand } from "./commands/dns/command.ts";
import { addDoctorCommand } from "./commands/doctor/command.ts";
import { addExecCommand } from "./commands/exec/command.ts";
import { addForwardCommand } from "./commands/forward/command.ts";
import { addHttpProxyCommand } from "./commands/httpProxy/command.ts";
import { addLocalCommand } from "./commands/local/command.ts";
import { addSocksCommand } from "./commands/socks/command.ts";
import { addStatusCommand } from "./commands/status/command.ts";
import { addMirrorCommand } from "./commands/mirror/command.ts";
import { addCatCommand } from "./commands/cat/command.ts";
import { addCpCommand } from "./commands/cp/command.ts";
import { addEnvCommand } from "./commands/env/command.ts";
import { addFindCommand } from "./commands/find/command.ts";
import { addLsCommand } from "./commands/ls/command.ts";
import { addStealCommand } from "./commands/steal/command.ts";
import { addWireCommand } from "./commands/wire/command.ts";
import { withConfigDefaults } from "./config/commandDefaults.ts";
import type { CommandContext } from "./context.ts";
import { EXIT_USAGE } from "./exitCodes.ts";
import { type ColourMode, colourModes, type Output, printable } from "./output.ts";
import { UsageError } from "./usageError.ts";

interface OutputOptions {
  readonly color?: ColourMode;
  readonly verbose?: boolean;
}

/** Runs one command. Resolves with the exit code, never rejects for what a user can cause. */
export async function runCli(args: readonly string[], output: Output): Promise<number> {
  let exitCode = 0;
  const program = createProgram({
    output,
    exitWith: (code) => {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync(await withConfigDefaults(program, args), { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof UsageError) {
      for (const line of error.message.split("\n")) output.note(printable(line));
      return EXIT_USAGE;
    }
    // Its text has been printed. `--help` and `--version` come this way too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    throw error;
  }
}

function createProgram(context: CommandContext): Command {
  const { output } = context;
  // Settings are inherited by commands that are made by `command`, so they come first.
  const program = new Command("understudy")
    .description("The user's side of a mirrord agent.")
    .configureOutput({ writeOut: (text) => output.write(text), writeErr: (text) => output.writeError(text) })
    .configureHelp({ showGlobalOptions: false })
    .exitOverride()
    .showHelpAfterError("(--help tells more)")
    .version(version(), "--version", "print the version")
    .helpCommand(false)
    // What follows a command belongs to it, also to a program that it runs.
    .enablePositionalOptions()
    .addHelpText("after", "\nEach command has its own --help, with its exit codes and examples.")
    .hook("preAction", (program, command) => useOutputOptions(program, command, output));

  addStealCommand(program, context);
  addMirrorCommand(program, context);
  addForwardCommand(program, context);
  addSocksCommand(program, context);
  addHttpProxyCommand(program, context);
  addDnsCommand(program, context);
  addExecCommand(program, context);
  addCatCommand(program, context);
  addCpCommand(program, context);
  addEnvCommand(program, context);
  addFindCommand(program, context);
  addLsCommand(program, context);
  addDemoCommand(program, context);
  addWireCommand(program, context);
  addLocalCommand(program, context);
  addStatusCommand(program, context);
  addDoctorCommand(program, context);
  addConfigCommand(program, context);
  addCompletionCommand(program, context);
  for (const command of [program, ...commandsBelow(program)]) addOutputOptions(command);
  return program;
}

/** Those that do something, without those that are made of others. */
function commandsBelow(command: Command): readonly Command[] {
  return command.commands.flatMap((one) => (one.commands.length === 0 ? [one] : commandsBelow(one)));
}

/** Adds what all commands share. */
function addOutputOptions(command: Command): void {
  command
    .addOption(new Option("--color <when>", "colour the output; on terminals without it").choices(colourModes))
    .addOption(new Option("--verbose", "say more, such as what an agent that is started logs"));
}

/** What stands after the command's name counts more. */
function useOutputOptions(program: Command, command: Command, output: Output): void {
  const { color, verbose } = { ...program.opts<OutputOptions>(), ...command.opts<OutputOptions>() };
  if (color !== undefined) output.useColour(color);
  if (verbose === true) output.isVerbose = true;
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}
