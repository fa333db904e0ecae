// Which words the config file adds to a command line.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { Command } from "commander";
import { withConfigDefaults } from "./commandDefaults.ts";

const config = `
steal: { ports: [80:3000, 81], to: localhost, header: -x, path: [a, b], any-of: true }
forward: [1:a:2]
`;

function exampleProgram(): Command {
  const program = new Command("example");
  program.option("--verbose").option("--color <when>");
  for (const name of ["steal", "mirror"]) {
    program.command(name).argument("<ports...>").option("--to <host>").option("--method <name>").option("--config <file>");
  }
  program.command("forward").argument("<forward...>").option("--config <file>");
  program.command("status").option("--config <file>");
  return program;
}

suite("defaults of commands", () => {
  let folder: string;
  let file: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "understudy-defaults-"));
    file = join(folder, "understudy.yaml");
    await writeFile(file, config);
  });
  after(() => rm(folder, { recursive: true }));

  const words = async (...args: readonly string[]): Promise<string> =>
    (await withConfigDefaults(exampleProgram(), [...args, "--config", file])).join(" ").replace(` --config ${file}`, "");

  test("a command that is told nothing does what the file says", async () => {
    assert.equal(await words("steal"), "steal 80:3000 81 --to=localhost --header=-x --path=a --path=b --any-of");
    assert.equal(await words("--color", "never", "forward"), "--color never forward 1:a:2");
    assert.equal(
      (await withConfigDefaults(exampleProgram(), ["steal", `--config=${file}`])).join(" "),
      `steal 80:3000 81 --to=localhost --header=-x --path=a --path=b --any-of --config=${file}`,
    );
  });

  test("what the command line says wins", async () => {
    assert.equal(await words("steal", "82"), "steal 82");
    assert.equal(await words("steal", "--to", "b"), "steal 80:3000 81 --header=-x --path=a --path=b --any-of --to b");
    assert.equal(await words("steal", "--method", "GET"), "steal 80:3000 81 --to=localhost --method GET");
  });

  test("other commands, those without a section and help stay as they are", async () => {
    for (const line of ["status", "mirror", "steal --help", "unknown"]) assert.equal(await words(...line.split(" ")), line);
  });
});
