import assert from "node:assert/strict";
import { test } from "node:test";
import { nameGlob } from "./nameGlob.ts";

test("patterns match as in a shell", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["*.log", "a.log", true],
    ["*.log", "a.log.1", false],
    ["*", "", true],
    ["?", "é", true],
    ["?", "😀", true],
    ["?", "", false],
    ["a*b*c", "aXbYbZc", true],
    ["a*b*c", "aXbYb", false],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[]x]", "]", true],
    ["[a-]", "-", true],
    ["\\*", "*", true],
    ["\\*", "a", false],
    [".*", ".hidden", true],
    ["a.c", "abc", false],
  ];
  for (const [pattern, name, expected] of cases) assert.equal(nameGlob(pattern)(name), expected, `${pattern} ${name}`);
  assert.throws(() => nameGlob("[ab"), /not closed/);
});

test("a hostile name takes no long time", () => {
  assert.equal(nameGlob("*a*a*a*a*a*a*a*b")("a".repeat(5000)), false);
});
