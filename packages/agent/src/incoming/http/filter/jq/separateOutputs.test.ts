import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { skipWithoutJq, testEngine } from "./jqFixture.ts";
import { separateOutputs } from "./separateOutputs.ts";

/** Each part in angle brackets. */
function marked(program: string): string {
  return separateOutputs(program)
    .replaceAll(/\(try \(/g, "<")
    .replaceAll(") catch _skip)", ">");
}

test("parts are what commas and pipes outside of all brackets separate", () => {
  for (const [program, expected] of [
    ["true", "true"],
    ["a, b|c", "<a>, < b>| <c>"],
    ['test("a,b|\\"c"), .["x", "y"]', '<test("a,b|\\"c")>, < .["x", "y"]>'],
    ["if a, b then c | d else e end, f", "<if a, b then c | d else e end>, < f>"],
    [".end, $if, @end, .if.end, x::if", "<.end>, < $if>, < @end>, < .if.end>, < x::if>"],
    [".a |= 1, .b // 2", "<.a |= 1>, < .b // 2>"],
    // What binds a name has all that follows.
    ["a, b as $x | c, d", "<a>, < b as $x | c, d>"],
    ["a | def f: b, c; f, d", "<a >| < def f: b, c; f, d>"],
    ["label $out | a, break $out", "label $out | a, break $out"],
  ] as const) {
    assert.equal(marked(program), expected);
  }
});

test("a program whose parts are not certain stays as it is", () => {
  for (const program of [
    "a, b # c, d",
    '"\\(a, b)", c',
    "{end: 1, if: 2}, 3",
    "{if: 1}, 2",
    "a ?// b, c",
    "f; g, h",
    '"a, b',
    Array.from({ length: 65 }, () => "a").join(),
  ]) {
    assert.equal(separateOutputs(program), program);
  }
});

suite("a program goes on after an error", { skip: await skipWithoutJq() }, () => {
  for (const [program, expected] of [
    ['error("x"), true', true],
    ["tonumber, false, true", false],
    ['("x", "2") | tonumber | . == 2', true],
    [".[] | true", false],
    ["(.[])?, keys, true", true],
    ["1 as $one | error($one), true", false],
    ["{end: 1, if: true} | .if", true],
  ] as const) {
    test(`${program}: ${expected}`, async () => {
      await using jq = testEngine();
      using compiled = await jq.compile(program);
      assert.equal(await compiled.matches(["x-user: me"]), expected);
      assert.deepEqual(jq.problems, []);
    });
  }
});
