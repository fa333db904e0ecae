// The translation of patterns against what Rust's engine says: testdata/rustRegex.json names its origin.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import fc from "fast-check";
import { FilterError } from "./filterError.ts";
import { FilterText } from "./filterText.ts";
import { MAX_STEPS } from "./longSearches.ts";
import { asciiSet, lowerRegex } from "./lowerRegex.ts";
import { parseRegex } from "./parseRegex.ts";
import { RustRegex, asciiProgram, unicodeProgram } from "./rustRegex.ts";

type Row = readonly [pattern: string, text: string, expected: boolean | "invalid"];

const table = JSON.parse(readFileSync(new URL("testdata/rustRegex.json", import.meta.url), "utf8")) as {
  readonly rows: readonly Row[];
};

/** What the engine for ASCII says; the own matcher where it takes no such pattern. */
function forAscii(pattern: string, text: string): boolean | null {
  const node = parseRegex(pattern);
  return (asciiProgram(lowerRegex(node, asciiSet)) ?? unicodeProgram(node)).test(text);
}

suite("patterns of the Rust table", () => {
  for (const [pattern, text, expected] of table.rows) {
    test(`${JSON.stringify(pattern)} on ${JSON.stringify(text.slice(0, 40))} is ${expected}`, () => {
      if (expected === "invalid") {
        assert.throws(() => new RustRegex(pattern), FilterError);
        return;
      }
      const regex = new RustRegex(pattern);
      const subject = new FilterText(text);
      assert.equal(regex.search([text]).run(Infinity), expected, "in slices");
      if (expected) assert.ok(regex.mayMatch(subject), "what a match requires");
      if (regex.backtracking !== null) return;
      const atOnce = regex.test(subject);
      assert.ok(atOnce === expected || (atOnce === null && text.length > 1000), `as a filter runs it: ${atOnce}`);
      assert.equal(unicodeProgram(parseRegex(pattern)).test(text), expected, "prepared for any text");
      if (/^[\0-\x7f]*$/.test(text) && text.length < 1000) assert.equal(forAscii(pattern, text), expected, "prepared for ASCII");
    });
  }
});

test("a search in slices of any size finds what one without finds", () => {
  for (const [pattern, text, expected] of table.rows) {
    if (expected === "invalid") continue;
    const search = new RustRegex(pattern).search(["", text]);
    let answer = search.run(1);
    for (let turns = 0; answer === null; turns++) {
      assert.ok(turns < 10_000, pattern);
      answer = search.run(1 + (turns % 3));
    }
    assert.equal(answer, expected || new RustRegex(pattern).search([""]).run(Infinity), pattern);
  }
});

test("the short cut for literals agrees with the engine", () => {
  const piece = fc.constantFrom("a", "b", "AB", ".*", ".+", "x-a: ", "\\.", "[aA]", "-");
  const pattern = fc
    .tuple(fc.constantFrom("", "^"), fc.array(piece, { maxLength: 6 }), fc.constantFrom("", "$"), fc.boolean())
    .map(([start, pieces, end, fold]) => `${fold ? "(?i)" : ""}${start}${pieces.join("")}${end}`);
  const text = fc.string({ unit: fc.constantFrom("a", "b", "A", "B", ".", "-", "x-a: "), maxLength: 12 });
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      const expected = forAscii(source, subject);
      assert.equal(new RustRegex(source).test(new FilterText(subject)), expected);
    }),
    { numRuns: 2000 },
  );
});

test("any pattern either compiles or is a FilterError, and always answers", () => {
  const part = fc.constantFrom(
    ..."abkS01 .*+?|()[]{}^$\\-&~:,<>=!#".split(""),
    ..."\\d \\w \\b (?i) (?x) (?: [[:alpha:]] \\p{L} {2,3} \\x41 && -- (?= (?! (?<= (?> \\1 (?(1)".split(" "),
  );
  const pattern = fc.array(part, { maxLength: 14 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(pattern, fc.string({ maxLength: 20 }), (source, subject) => {
      let regex: RustRegex;
      try {
        regex = new RustRegex(source);
      } catch (error) {
        assert.ok(error instanceof FilterError, String(error));
        return;
      }
      const text = new FilterText(subject);
      const answer = regex.search([subject]).run(Infinity);
      assert.ok(answer === false || (answer === true && regex.mayMatch(text)), String(answer));
      if (regex.backtracking === null) assert.equal(regex.test(text), answer);
    }),
    { numRuns: 3000 },
  );
});

test("a pattern beyond a limit is refused with the limit in the message", () => {
  const refused = (pattern: string, message: RegExp): void => {
    assert.throws(() => new RustRegex(pattern), { constructor: FilterError, message });
  };
  refused("a".repeat(16385), /16385 characters exceeds 16384/);
  refused("(".repeat(101) + ")".repeat(101), /nested deeper than 100/);
  refused("[".repeat(101) + "a" + "]".repeat(101), /nested deeper than 100/);
  refused("((a{100}){100}){100}", /exceeds 4000/);
  refused("a{99999999999999999999}", /exceeds 4000/);
  refused("(?:){5000}x", /nothing to repeat/);
});

test("an error names the position in the pattern as the client wrote it", () => {
  assert.throws(() => new RustRegex("ab(?=c", true), /unclosed group at position 2/);
  assert.throws(() => new RustRegex("a\\9", true), /back reference to an unknown group at position 1/);
  assert.throws(() => new RustRegex("a+++"), /quantifier with nothing to repeat at position 3/);
  assert.throws(() => new RustRegex("x[z-a]"), /range .* at position 2/);
});

suite("a hostile pattern on a hostile text is left in time", () => {
  let seed = 1;
  const text = Array.from({ length: 64_000 }, () => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return (seed >> 16) & 1 ? "x" : "a";
  }).join("");
  const linear = ["(a.{100}){10}[bc]", "(?:.*a.{9}x){9}[zy]", "\\<(?:x?){900}[yz]", "(?:[ax]*a[ax]{60}){9}[bc]"];
  const backtracking = [
    "(?:x+x+)+(?!x)[yz]",
    "((?:a|x|ax|xa)+)+\\1[yz]",
    "(?=(.*)(.*)(.*)(.*)[qr])[yz]",
    "(?:(?:(?=.)[ax]*)*)*[yz]",
    "(?>(?:a|x)*)[yz]|(.*)+\\1[qr]",
  ];
  for (const pattern of [...linear, ...backtracking]) {
    test(pattern, () => {
      const regex = new RustRegex(pattern);
      assert.equal(regex.test(new FilterText(text)), null);
      const search = regex.search([text]);
      const start = process.cpuUsage();
      let slices = 0;
      while (search.run(20_000) === null) slices++;
      const { user, system } = process.cpuUsage(start);
      assert.ok(search.hasOverrun || search.steps < MAX_STEPS);
      assert.ok(slices <= MAX_STEPS / 20_000);
      assert.ok(user + system < 2_000_000, `${user + system} us in ${slices} slices`);
    });
  }
});

test("what waits to be tried is bounded", () => {
  const search = new RustRegex("(?:(?=.)(?:.|xx))*y").search(["x".repeat(400_000)]);
  assert.equal(search.run(Infinity), false);
  assert.ok(search.hasOverrun);
  assert.ok(search.steps < MAX_STEPS);
});
