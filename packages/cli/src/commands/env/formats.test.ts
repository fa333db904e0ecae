// What the formats print is read back by those they are for.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { suite, test } from "node:test";
import { parseEnv, promisify } from "node:util";
import fc from "fast-check";
import { dotenvLine, shellLine } from "./formats.ts";

const run = promisify(execFile);

const hard = fc
  .array(fc.constantFrom("a", "'", '"', "`", "\n", "\\n", "\\", "$X", "$(id)", "#", " ", "=", "\t", "é", "\uFFFD", "!", "\u001b[31m"), {
    maxLength: 12,
  })
  .map((parts) => parts.join(""));

suite("formats of variables", () => {
  test("dotenv is read back by Node as it was, or refused", () => {
    fc.assert(
      fc.property(hard, hard, (first, second) => {
        const lines = [dotenvLine("A", first), dotenvLine("B", second)];
        const read = parseEnv(lines.filter((line) => line !== null).join("\n") + "\n");
        assert.equal(read["A"], lines[0] === null ? undefined : first);
        assert.equal(read["B"], lines[1] === null ? undefined : second);
      }),
      { numRuns: 3000 },
    );
    for (const value of ["", "plain", "a\nb", "it's", `"both" 'kinds'`, "$HOME ${X}", " spaces ", "#no comment"]) {
      assert.notEqual(dotenvLine("A", value), null, value);
    }
  });

  test("shells read every value back, and run nothing of it", async () => {
    const values = fc.sample(hard, { numRuns: 60, seed: 1 });
    const lines = values.map((value, i) => shellLine(`V${i}`, value)).join("\n");
    const print = values.map((_, i) => `printf '%s\\0' "$V${i}"`).join("\n");
    for (const shell of ["sh", "bash"]) {
      const { stdout } = await run(shell, ["-c", `${lines}\n${print}`]);
      assert.deepEqual(stdout.split("\0").slice(0, -1), values);
    }
  });

  test("names that would be something else are refused", () => {
    for (const name of ["", "a b", "x;id", "a=b", "a\nb", "$(id)", "1a", "é", "a-b"]) assert.equal(shellLine(name, "v"), null, name);
    for (const name of ["", "a b", "#a", "'a", "export a", "a\nb", "a=b"]) assert.equal(dotenvLine(name, "v"), null, name);
    assert.equal(shellLine("UID", "0"), null);
    assert.equal(dotenvLine("a-b.c", "v"), "a-b.c=v");
  });
});
