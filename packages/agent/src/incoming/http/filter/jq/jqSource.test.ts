import assert from "node:assert/strict";
import { test } from "node:test";
import { checkedSource, compileComplaint, requestLines, residentSource } from "./jqSource.ts";

test("a client's program keeps its line numbers, and a comment at its end does not swallow what follows", () => {
  assert.equal(checkedSource("a\nb").indexOf("\n"), checkedSource("a").length);
  assert.match(residentSource("a # b \\"), /# b \\\n\n\);/);
});

test("a request is its texts on one line, then its number", () => {
  assert.equal(requestLines(7, ["a: b", 'c: "\n']), '["a: b","c: \\"\\n"]\n7\n');
  assert.equal(requestLines(8, []), "8\n");
});

test("a complaint of jq becomes one line with the line number, without hints that do not fit", () => {
  const undefinedName = "jq: error: foo/0 is not defined at <top-level>, line 3:\nfoo\njq: 1 compile error\n";
  assert.equal(compileComplaint(undefinedName), "foo/0 is not defined (line 3)");
  const syntax =
    "jq: error: syntax error, unexpected end (Unix shell quoting issues?) at <top-level>, line 1:\n(\njq: error: another\njq: 2 compile errors\n";
  assert.equal(compileComplaint(syntax), "syntax error, unexpected end (line 1)");
  const newer = "jq: error: syntax error, unexpected end of file at <top-level>, line 1, column 1:\n    (\n    ^\n";
  assert.equal(compileComplaint(newer), "syntax error, unexpected end of file (line 1)");
  assert.equal(compileComplaint("jq: error: a\u0007b\nmore"), "a?b");
  assert.equal(compileComplaint(""), "it does not compile");
  assert.equal(compileComplaint(`jq: error: ${"x".repeat(5000)}`).length, 200);
});
