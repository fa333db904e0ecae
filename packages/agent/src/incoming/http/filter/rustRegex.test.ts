// The translation of patterns against what Rust's engine says: testdata/rustRegex.json names its origin.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import fc from "fast-check";
import { FilterError } from "./filterError.ts";
import { FilterText } from "./filterText.ts";
import { asciiSet, lowerRegex } from "./lowerRegex.ts";
import { parseRegex } from "./parseRegex.ts";
import { RustRegex, asciiProgram, unicodeProgram, type RegexProgram } from "./rustRegex.ts";

type Row = readonly [pattern: string, text: string, expected: boolean | "invalid" | "unsupported"];

const table = JSON.parse(readFileSync(new URL("testdata/rustRegex.json", import.meta.url), "utf8")) as {
  readonly rows: readonly Row[];
};

function forAscii(pattern: string): RegexProgram {
  const node = parseRegex(pattern);
  return asciiProgram(node, lowerRegex(node, asciiSet));
}

suite("patterns of the Rust table", () => {
  for (const [pattern, text, expected] of table.rows) {
    test(`${JSON.stringify(pattern)} on ${JSON.stringify(text.slice(0, 40))} is ${expected}`, () => {
      if (typeof expected === "string") {
        const reason = expected === "unsupported" ? /is not supported: it needs a backtracking engine/ : /./;
        assert.throws(
          () => new RustRegex(pattern),
          (error) => error instanceof FilterError && reason.test(error.message),
        );
        return;
      }
      assert.equal(new RustRegex(pattern).test(new FilterText(text)), expected, "as a filter runs it");
      assert.equal(unicodeProgram(parseRegex(pattern)).test(text), expected, "prepared for any text");
      if (/^[\0-\x7f]*$/.test(text)) assert.equal(forAscii(pattern).test(text), expected, "prepared for ASCII");
    });
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
      const expected = forAscii(source).test(subject);
      assert.equal(new RustRegex(source).test(new FilterText(subject)), expected);
    }),
    { numRuns: 2000 },
  );
});

test("any pattern either compiles or is a FilterError, and always answers", () => {
  const part = fc.constantFrom(
    ..."abkS01 .*+?|()[]{}^$\\-&~:,<>=!#".split(""),
    ..."\\d \\w \\b (?i) (?x) (?: [[:alpha:]] \\p{L} {2,3} \\x41 && --".split(" "),
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
      const answer = regex.test(text);
      if (text.isPlain) assert.equal(answer, unicodeProgram(parseRegex(source)).test(subject));
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
  assert.throws(() => new RustRegex("ab(?=c)", true), /look-ahead is not supported.* at position 2/);
  assert.throws(() => new RustRegex("a\\1", true), /back reference .* at position 1/);
  assert.throws(() => new RustRegex("a++"), /possessive quantifier .* at position 2/);
  assert.throws(() => new RustRegex("x[z-a]"), /range .* at position 2/);
});

test("a hostile pattern on a hostile text answers within a bounded time", () => {
  let seed = 1;
  const text = new FilterText(
    Array.from({ length: 64_000 }, () => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return (seed >> 16) & 1 ? "x" : "a";
    }).join(""),
  );
  for (const pattern of ["(a.{100}){10}[bc]", "[ax]{1,1300}[yz]", "(?:x?){1300}[yz]", "(?:.*a){40}[zy]", "\\<(?:x?){900}[yz]"]) {
    const regex = new RustRegex(pattern);
    const start = process.cpuUsage();
    regex.test(text);
    const { user, system } = process.cpuUsage(start);
    assert.ok(user + system < 1_000_000, `${pattern} took ${user + system} us`);
  }
});
