// The real jq behind its definitions against what the reference's jaq says: testdata/README.md names the table's origin.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FilterError } from "../filterError.ts";
import { skipWithoutJq, testEngine, type TestEngine } from "./jqFixture.ts";

interface Row {
  readonly program: string;
  readonly texts: readonly string[];
  readonly verdict: readonly boolean[] | "error";
}

const table = readFileSync(new URL("testdata/jaqTable.jsonl", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line) as Row);

/** Where jq, in one of its versions, and jaq differ, and why that stays. */
const differences: readonly { readonly reason: string; readonly programs: readonly string[] }[] = [
  { reason: "jq before 1.7 cannot catch null", programs: ["try error(null) catch (. == null)"] },
  { reason: "jq before 1.7 wants an else", programs: ['if test("user") then true end'] },
  {
    reason: "jq has it, jaq has not",
    programs: [
      'IN("x-user: me", "a")',
      '["x-user: me", "host: example.org"] | contains([$__loc__ | .file])',
      "[1,2] | combinations?, true",
      '. as [$a] ?// $a | $a == "x-user: me"',
      "1 as $x | 2 as $y | [$x,$y,$__loc__] | length == 3",
      "$__loc__|.line==1",
      "toarray",
      "pick(.a)",
      "have_literal_numbers",
      "ascii",
      '"x"|ascii',
      'ltrimstr("x")|trimstr("e")',
      'getpath(["x"];1)',
    ],
  },
  { reason: "harmless here, absent there", programs: ["$ENV.PATH == null", "input_filename == null", "input_line_number == 0"] },
  { reason: "jq tells an unknown format only when it runs", programs: ["@foo"] },
  { reason: "null has keys in jq, and strings an index of other things", programs: ["{} | .a.b.c == null", "ltrimstr(1) == ."] },
  { reason: "jq folds constants, and refuses to divide by zero", programs: ["1 / 0 | . > 1"] },
  {
    reason: "jq's numbers are floating point, written in its own way",
    programs: [
      '1e3 | tojson == "1000"',
      '1.0 | tojson == "1.0"',
      '9007199254740993 | tojson == "9007199254740993"',
      '100000000000000000000 | tojson == "100000000000000000000"',
    ],
  },
  { reason: "times without a date", programs: ['"10:15" | strptime("%H:%M") | type == "array"'] },
  {
    reason: "jq's regular expressions can do more: look-around, references, Unicode classes; and it takes flags in more forms",
    programs: [
      String.raw`test("(e).*\\1")`,
      'test("^x-(?!host)")',
      'test("(?<=: )me")',
      String.raw`test("\\p{L}+: me")`,
      'test("x"; null)',
      'test(["X-USER","i"])',
    ],
  },
  {
    reason: "jq lists captures that took no part",
    programs: ['[match("m(z)?").captures[0].string] == [null]', '[match("(?<a>m)(?<b>z)?").captures[].name] == ["a","b"]'],
  },
  { reason: "jq before 1.7 counts bytes", programs: ['index("\u4e2d") == 8'] },
];
const named = new Set(differences.flatMap((difference) => difference.programs));

async function verdictOf(jq: TestEngine, row: Row): Promise<Row["verdict"]> {
  try {
    using program = await jq.compile(row.program);
    const verdicts: boolean[] = [];
    for (const text of row.texts) verdicts.push(await program.matches([text]));
    return verdicts;
  } catch (error) {
    assert.ok(error instanceof FilterError, String(error));
    return "error";
  }
}

test("jq agrees with jaq on every program but those named", { skip: await skipWithoutJq() }, async () => {
  await using jq = testEngine();
  const rows = table.filter((row) => !named.has(row.program));
  assert.ok(rows.length > 150);
  const wrong: string[] = [];
  const some = async (): Promise<void> => {
    for (let row = rows.pop(); row !== undefined; row = rows.pop()) {
      const verdict = await verdictOf(jq, row);
      if (JSON.stringify(verdict) !== JSON.stringify(row.verdict)) {
        wrong.push(`${row.program}: jaq ${JSON.stringify(row.verdict)}, jq ${JSON.stringify(verdict)}`);
      }
    }
  };
  await Promise.all([some(), some(), some(), some()]);
  assert.deepEqual(wrong, []);
  assert.deepEqual(jq.problems, []);
});

test("what is named as different is in the table", () => {
  const programs = new Set(table.map((row) => row.program));
  assert.deepEqual(
    [...named].filter((program) => !programs.has(program)),
    [],
  );
});
