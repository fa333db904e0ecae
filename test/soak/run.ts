// The soak as a command: make soak MINUTES=30. Writes what it found as JSON and Markdown, and ends with 1 when something is wrong.

import { writeFile } from "node:fs/promises";
import { argv, exit, stderr, stdout } from "node:process";
import { parseArgs } from "node:util";
import { podSkipReason } from "../pod/pod.ts";
import { markdown } from "./report.ts";
import { scenarios } from "./scenarios/index.ts";
import { soak } from "./soak.ts";
import { longRunLimits } from "./verdict.ts";

const help = `Lets sessions of all kinds come and go on one agent, and looks at what it holds afterwards.

Usage: node --conditions=source test/soak/run.ts [--minutes N] [--out FOLDER]

Options:
  --minutes N   How long, from 1 [default: 30]. The agent counts as warm after 5, or after a third if that is less
  --out FOLDER  Where soak.json and soak.md are written [default: they are not]

The Markdown also goes to standard output, progress to standard error.
Exit codes: 0 nothing was wrong; 1 something was; 2 the command line is wrong.
`;

const WARM_AFTER_SECONDS = 300;

function readOptions(): { readonly minutes: number; readonly out: string | null } {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: { minutes: { type: "string", default: "30" }, out: { type: "string" }, help: { type: "boolean", default: false } },
  });
  if (values.help) {
    stdout.write(help);
    exit(0);
  }
  const minutes = Number(values.minutes);
  if (!(minutes >= 1 && minutes <= 24 * 60)) throw new Error(`--minutes: "${values.minutes}" is no number from 1 to 1440`);
  return { minutes, out: values.out ?? null };
}

function optionsOrExit(): ReturnType<typeof readOptions> {
  try {
    return readOptions();
  } catch (error) {
    stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return exit(2);
  }
}

const { minutes, out } = optionsOrExit();
const reason = podSkipReason();
if (reason !== false) {
  stderr.write(`soak: it needs pods made of namespaces, and here that ${reason}\n`);
  exit(1);
}
const warmUpSeconds = Math.min(WARM_AFTER_SECONDS, (minutes * 60) / 3);
const result = await soak({
  warmUpSeconds,
  seconds: minutes * 60 - warmUpSeconds,
  limits: longRunLimits,
  scenarios,
  onProgress: (text) => void stderr.write(`${text}\n`),
});
const text = markdown(result);
if (out !== null) {
  await writeFile(`${out}/soak.json`, `${JSON.stringify(result, null, 1)}\n`);
  await writeFile(`${out}/soak.md`, text);
}
stdout.write(text);
exit(result.problems.length === 0 ? 0 : 1);
