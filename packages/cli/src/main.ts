// The command line `understudy`: runs it and turns the outcome into an exit code.

import { runCli } from "./cli.ts";
import { Output } from "./output.ts";

const output = new Output();
const exitCode = await runCli(process.argv.slice(2), output);
process.exitCode = exitCode === 0 && output.hasFailed ? 1 : exitCode;
