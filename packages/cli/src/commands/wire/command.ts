// The arguments and the help of `understudy wire check` and `understudy wire decode`.

import { type Command, Option } from "commander";
import type { CommandContext } from "../../context.ts";

export function addWireCommand(program: Command, { output, exitWith }: CommandContext): void {
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
      const { wireCheck } = await import("./wireCheck.ts");
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
      const { wireDecode } = await import("./wireDecode.ts");
      exitWith(await wireDecode({ file: file ?? "-", from: options.from, offsets: options.offsets === true }, output));
    });
}

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
