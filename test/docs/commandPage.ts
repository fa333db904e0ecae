// The examples in docs/commands.md with what they print: run for real, beside a pod with an agent.
//
// Usage, as root: node --conditions=source test/docs/commandPage.ts   puts fresh output into docs/commands.md, and makes the README's picture of it
//
// An example in the page is a block that begins with ```console; each of its lines that begin with `$ ` is a command, what follows is replaced by its output.
// A command that ends with ` &` goes on until the block ends, and gets Ctrl-C then; what it prints stands after the others, under the line `^C`.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startPod } from "../cli/incomingCommand.ts";
import { Listening } from "../cli/listening.ts";
import { AgentProcess } from "../pod/agentProcess.ts";
import { podIpv4 } from "../pod/pod.ts";
import { RunningCommand } from "../cli/understudy.ts";
import { picture, pictureFile } from "./picture.ts";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../../", import.meta.url));
const AGENT = "127.0.0.1:61337";

export const commandPage = new URL("../../docs/commands.md", import.meta.url);

/** The page with the output of its examples made anew. Takes the test's process into a network namespace of its own. */
export async function withOutput(page: string): Promise<string> {
  await using pod = await startPod();
  await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
  await using server = await Listening.on(createServer((_request, response) => void response.end("hello from your machine\n")));
  const folder = await mkdtemp(path.join(tmpdir(), "understudy-examples-"));
  // What a reader sees, and what is meant here.
  const real = (text: string): string =>
    text
      .replaceAll(AGENT, `${agent.address.host}:${agent.address.port}`)
      .replaceAll("http://shop/", `http://${podIpv4}/`)
      .replaceAll(":3000", `:${server.port}`);
  const shown = (text: string): string =>
    text
      .replaceAll(`${agent.address.host}:${agent.address.port}`, AGENT)
      .replaceAll(`:${server.port}`, ":3000")
      .replaceAll(folder, ".")
      .replaceAll(repository, "")
      .replaceAll(/\b\d{4}-\d\d-\d\dT[\d:.]+Z\b/g, "2026-11-25T12:00:00.000Z");
  try {
    const parts: string[] = [];
    let at = 0;
    for (const block of page.matchAll(/```console\n([\s\S]*?)```/g)) {
      const commands = (block[1] ?? "").split("\n").filter((line) => line.startsWith("$ "));
      parts.push(page.slice(at, block.index), "```console\n", shown(await outputOf(commands, real, folder)), "```");
      at = block.index + block[0].length;
    }
    return parts.join("") + page.slice(at);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function outputOf(commands: readonly string[], real: (text: string) => string, folder: string): Promise<string> {
  const printed: string[] = [];
  const background: RunningCommand[] = [];
  for (const line of commands) {
    printed.push(`${line}\n`);
    const words = wordsOf(real(line.slice(2)));
    if (words.at(-1) === "&") {
      const command = new RunningCommand(words.slice(1, -1), { env: { HOME: folder } });
      background.push(command);
      await command.output(/Ctrl-C ends it|^forwarding /m);
    } else if (words[0] === "understudy") {
      await using command = new RunningCommand(words.slice(1), { env: { HOME: folder }, cwd: folder });
      command.stdin.end();
      const { stdout, stderr } = await command.end();
      printed.push(stdout, stderr);
    } else {
      const [program = "", ...args] = words;
      const { stdout } = await run(program, args, { cwd: folder, timeout: 10_000 });
      printed.push(stdout.endsWith("\n") ? stdout : `${stdout}\n`);
    }
  }
  for (const command of background) {
    const { stdout, stderr } = await command.interrupt();
    printed.push("^C\n", stderr, stdout);
  }
  return printed.join("");
}

/** A command line as a shell has it, as far as the page's examples need: words, and quotes around some. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = await withOutput(await readFile(commandPage, "utf8"));
  await writeFile(commandPage, page);
  await writeFile(pictureFile, picture(page));
}
