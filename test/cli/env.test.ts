// `understudy env` with a real agent: what it prints is read back by a shell and by Node.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseEnv } from "node:util";
import { cliCommand, runCli, runProgram } from "./cliRun.ts";
import { TargetlessAgent } from "./targetlessAgent.ts";

const odd = {
  UNDERSTUDY_ODD_PLAIN: "plain",
  UNDERSTUDY_ODD_EMPTY: "",
  UNDERSTUDY_ODD_LINES: "first\nsecond\n",
  UNDERSTUDY_ODD_QUOTES: `it's "quoted"`,
  UNDERSTUDY_ODD_DOLLAR: "$HOME $(id) `id` \\n",
  UNDERSTUDY_ODD_ESCAPE: "\u001b[31mred",
} as const;

suite("understudy env", { timeout: 60_000 }, () => {
  test("each format gives back what the target has; names and patterns choose", async () => {
    await using agent = await TargetlessAgent.start({ env: odd });
    const shell = (...args: readonly string[]) =>
      cliCommand("env", "--agent", agent.address, ...args)
        .map((part) => `'${part}'`)
        .join(" ");

    const json = await runCli("env", "UNDERSTUDY_ODD_*", "--format", "json", "--agent", agent.address);
    assert.deepEqual([json.code, JSON.parse(json.stdout)], [0, odd]);

    const dotenv = await runCli("env", "UNDERSTUDY_ODD_*", "--agent", agent.address);
    assert.deepEqual({ ...parseEnv(dotenv.stdout) }, odd);

    for (const name of ["sh", "bash"]) {
      const print = Object.keys(odd)
        .map((key) => `printf '%s\\0' "$${key}"`)
        .join("; ");
      const sourced = await runProgram(name, "-c", `unset HOME; eval "$(${shell("UNDERSTUDY_ODD_*", "--format", "shell")})"; ${print}`);
      assert.deepEqual(sourced.stdout.split("\0").slice(0, -1), Object.values(odd));
    }

    const some = await runCli(
      "env",
      "UNDERSTUDY_ODD_PLAIN",
      "UNDERSTUDY_ODD_Q*",
      "--exclude",
      "*QUOTES",
      "--json",
      "--agent",
      agent.address,
    );
    assert.deepEqual(JSON.parse(some.stdout), { UNDERSTUDY_ODD_PLAIN: "plain" });

    const missing = await runCli("env", "UNDERSTUDY_NOT_THERE", "--agent", agent.address);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /no variable UNDERSTUDY_NOT_THERE/);
    assert.equal((await runCli("env", "--format", "xml")).code, 2);
  });
});
