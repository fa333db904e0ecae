// What Tab offers: by the words so far, and through the scripts in the shells that this machine has.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Argument, Command, Option } from "commander";
import { runCommand } from "../testing/runCommand.ts";
import { completeWords } from "./completeWords.ts";
import { shells } from "./scripts.ts";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const script = (shell: string): string => fileURLToPath(new URL(`../../completions/understudy.${shell}`, import.meta.url));

function exampleProgram(): Command {
  const program = new Command("example");
  program.command("steal").summary("take").argument("<port>").option("--to <host:port>", "where").option("--json", "as JSON");
  program.command("secret", { hidden: true });
  program.command("run").argument("<name>").argument("<command...>");
  const wire = program.command("wire");
  wire
    .command("decode")
    .argument("[file]")
    .addOption(new Option("--from <side>", "who").choices(["client", "agent"]))
    .option("-H, --header <text...>", "one or more");
  program.command("completion").addArgument(new Argument("<shell>").choices(["bash", "zsh"]));
  return program;
}

suite("completion of words", () => {
  const offered = async (...words: readonly string[]): Promise<string> => {
    const { candidates, others } = await completeWords(exampleProgram(), words);
    return [...candidates.map(({ value }) => value), others === "none" ? "" : `:${others}`].join(" ").trim();
  };

  test("commands, also inner ones, but no hidden ones", async () => {
    assert.equal(await offered(""), "steal run wire completion help");
    assert.equal(await offered("s"), "steal");
    assert.equal(await offered("wire", "d"), "decode");
    assert.equal(await offered(), "steal run wire completion help");
  });

  test("options that are not there yet, and the values that they take", async () => {
    assert.equal(await offered("steal", "--"), "--to --json --help");
    assert.equal(await offered("steal", "--json", "80", "--"), "--to --help");
    assert.equal(await offered("steal", "--to", "a:1", "--j"), "--json");
    assert.equal(await offered("wire", "decode", "--from", ""), "client agent");
    assert.equal(await offered("wire", "decode", "--from", "a"), "agent");
    assert.equal(await offered("wire", "decode", "--from=a"), "--from=agent");
    assert.equal(await offered("wire", "decode", "--json=a"), "");
    assert.equal(await offered("wire", "decode", "--header", "a", "--h"), "--header --help");
    assert.equal(await offered("steal", "--to", ""), "");
  });

  test("arguments: choices, files, programs, or nothing", async () => {
    assert.equal(await offered("completion", ""), "bash zsh");
    assert.equal(await offered("completion", "bash", ""), "");
    assert.equal(await offered("wire", "decode", ""), ":files");
    assert.equal(await offered("wire", "decode", "--", "--fr"), ":files");
    assert.equal(await offered("run", "a", "b", "c"), ":programs");
    assert.equal(await offered("steal", ""), "");
    assert.equal(await offered("unknown", "--"), "--help");
  });
});

test("the script of a shell is printed, and no other shell is known", async () => {
  for (const shell of shells) {
    const { code, stdout } = await runCommand(["completion", shell]);
    assert.deepEqual([code, stdout], [0, await readFile(script(shell), "utf8")]);
  }
  const { code, stderr } = await runCommand(["completion", "powershell"]);
  assert.equal(code, 2);
  assert.match(stderr, /Allowed choices are bash, zsh, fish/);
});

suite("completion in shells", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "understudy-completion-"));
    await writeFile(join(folder, "understudy"), `#!/bin/sh\nexec ${process.execPath} --conditions=source ${main} "$@"\n`);
    await chmod(join(folder, "understudy"), 0o755);
    await writeFile(join(folder, "under-test.bin"), "");
  });
  after(() => rm(folder, { recursive: true }));

  const inShell = async (shell: string, args: readonly string[]): Promise<string> => {
    const env = { ...process.env, PATH: `${folder}:${process.env["PATH"]}` };
    const { stdout } = await run(shell, args, { cwd: folder, env, timeout: 30_000 });
    return stdout.trim().split("\n").join(" ");
  };
  const missing = (shell: string): string | false => (spawnSync(shell, ["--version"]).error === undefined ? false : `needs ${shell}`);

  test("bash", { skip: missing("bash") }, async () => {
    const tab = (line: string): Promise<string> =>
      inShell("bash", [
        "--norc",
        "-c",
        `source '${script("bash")}'; COMP_LINE=$1; COMP_POINT=\${#1}; _understudy understudy; printf '%s\\n' "\${COMPREPLY[@]}"`,
        "bash",
        line,
      ]);
    assert.equal(await tab("understudy stat"), "status");
    assert.equal(await tab("understudy completion "), "bash zsh fish");
    assert.equal(await tab("understudy wire decode --from a"), "agent");
    // What bash has as a word of its own behind the sign.
    assert.equal(await tab("understudy status --color=al"), "always");
    assert.equal(await tab("understudy wire decode under-"), "under-test.bin");
    assert.match(await tab("understudy status --"), /^--agent --pod .*--help$/);
  });

  test("zsh", { skip: missing("zsh") }, async () => {
    const stubs = `_describe() { print -l -- "\${(@P)2}" }; _files() { print files }; _command_names() { print programs }; compdef() { : }`;
    const tab = (...words: readonly string[]): Promise<string> =>
      inShell("zsh", ["-f", "-c", `${stubs}; source '${script("zsh")}'; words=("$@"); CURRENT=$#words; _understudy`, "zsh", ...words]);
    assert.equal(await tab("understudy", "stat"), "status:say whether an agent answers, and what it serves");
    assert.equal(await tab("understudy", "completion", ""), "bash: zsh: fish:");
    assert.equal(await tab("understudy", "wire", "decode", ""), "files");
  });

  test("fish", { skip: missing("fish") }, async () => {
    const tab = (line: string): Promise<string> =>
      inShell("fish", ["--no-config", "-c", `source '${script("fish")}'; complete -C '${line}'`]);
    assert.equal(await tab("understudy stat"), "status\tsay whether an agent answers, and what it serves");
    assert.equal(await tab("understudy completion "), "bash fish zsh");
    assert.equal(await tab("understudy wire decode under-"), "under-test.bin");
  });
});
