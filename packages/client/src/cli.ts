// The commands, their arguments and their help. What they do is loaded when one of them runs, so that help is quick.

import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type HostPort, parseHostPort, parsePort } from "./commands/hostPort.ts";
import type { Output } from "./output.ts";

/** Wrong arguments, unreadable files. */
export const EXIT_USAGE = 2;

/** Runs one command. Resolves with the exit code, never rejects for what a user can cause. */
export async function runCli(args: readonly string[], output: Output): Promise<number> {
  let exitCode = 0;
  const program = createProgram(output, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    // Its text has been printed. `--help` and `--version` come this way too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    throw error;
  }
}

function createProgram(output: Output, exitWith: (code: number) => void): Command {
  // Settings are inherited by commands that are made by `command`, so they come first.
  const program = new Command("understudy")
    .description("The user's side of a mirrord agent.")
    .configureOutput({ writeOut: (text) => output.write(text), writeErr: (text) => output.writeError(text) })
    .configureHelp({ showGlobalOptions: false })
    .exitOverride()
    .showHelpAfterError("(--help tells more)")
    .version(version(), "--version", "print the version")
    .helpCommand(false)
    .addHelpText("after", "\nEach command has its own --help, with its exit codes and examples.");

  program
    .command("steal")
    .summary("answer a target's requests with a server of this machine")
    .description("Takes requests of a target's port through a running agent and has them answered by a server of this machine.")
    .argument("<port>", "port of the target", argument(parsePort))
    .requiredOption("--to <host:port>", "server that answers instead of the target", argument(parseHostPort))
    .requiredOption("--agent <host:port>", "where the agent listens", argument(parseHostPort))
    .option("--header <regex>", "only requests with a header that matches, as in `name: value`")
    .option("--path <regex>", "only requests whose path matches")
    .option("--json", "print one JSON object a request")
    .addHelpText("after", stealHelp)
    .action(async (port: number, options: { to: HostPort; agent: HostPort; header?: string; path?: string; json?: boolean }) => {
      const { steal } = await import("./commands/steal.ts");
      exitWith(await steal({ ...options, port, json: options.json === true }, output));
    });

  program
    .command("demo")
    .summary("see it all once, on this machine alone")
    .description("Runs a small shop with an agent beside it in a namespace of its own, steals from it, and removes everything again.")
    .option("--keep", "leave it running until Ctrl-C and tell how to reach it")
    .addHelpText("after", demoHelp)
    .action(async (options: { keep?: boolean }) => {
      const { demo } = await import("./commands/demo.ts");
      exitWith(await demo({ keep: options.keep === true }, output));
    });

  const wire = program
    .command("wire")
    .summary("look at recorded messages of the protocol")
    .description("Tools for recorded bytes of mirrord-protocol 1.29.0.")
    .helpCommand(false);
  wire
    .command("check")
    .summary("judge the decoder by files of recorded messages")
    .description("Decodes and encodes the messages of vector files (JSON Lines) and compares with what they say.")
    .argument("<file...>", "vector files")
    .addHelpText("after", checkHelp)
    .action(async (files: readonly string[]) => {
      const { wireCheck } = await import("./commands/wireCheck.ts");
      exitWith(await wireCheck(files, output));
    });
  wire
    .command("decode")
    .summary("print a recorded byte stream as messages")
    .description("Prints the messages of one direction of a recorded connection, one JSON value a line.")
    .argument("[file]", "recorded bytes; standard input without it, or for -")
    .addOption(new Option("--from <side>", "who sent the bytes").choices(["client", "agent"]).makeOptionMandatory())
    .option("--offsets", "print objects with the byte offset beside the message")
    .addHelpText("after", decodeHelp)
    .action(async (file: string | undefined, options: { from: "client" | "agent"; offsets?: boolean }) => {
      const { wireDecode } = await import("./commands/wireDecode.ts");
      exitWith(await wireDecode({ file: file ?? "-", from: options.from, offsets: options.offsets === true }, output));
    });
  return program;
}

/** The reason why an argument is wrong becomes part of the usage error. */
function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}

const stealHelp = `
Without --header and --path everything is taken: HTTP requests and raw TCP connections. With one of them only the requests that
match, with both those that match both; the others reach the target as ever. Patterns are regular expressions in Rust's syntax.
Protocol upgrades (WebSocket) are not forwarded. Ctrl-C gives the port back; a second one does not wait for requests in progress.

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the agent cannot be reached, refuses, or the connection broke
  2  wrong arguments

Examples:
  understudy steal 8080 --to localhost:3000 --agent 127.0.0.1:61337
  understudy steal 80 --to '[::1]:3000' --agent 127.0.0.1:61337 --header '^x-user: me$' --path '^/api/'
  understudy steal 80 --to localhost:3000 --agent 127.0.0.1:61337 --json | jq .status`;

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

const checkHelp = `
Exit codes:
  0  all messages passed
  1  at least one failed
  2  wrong arguments, or a file that cannot be read

Example:
  understudy wire check packages/protocol/testdata/vectors/*.jsonl`;

const decodeHelp = `
Exit codes:
  0  every byte belongs to a message
  1  bytes that are no message, or an end inside a message: standard error says at which byte it begins
  2  wrong arguments, or a file that cannot be read

Examples:
  understudy wire decode --from client recorded.bin
  understudy wire decode --from agent --offsets < recorded.bin`;
