// What becomes of the bytes of an environment.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEnviron } from "./environ.ts";

const parse = (text: string) => [...parseEnviron(Buffer.from(text, "latin1"))];

test("entries end with NUL and are split at the first equals sign", () => {
  assert.deepEqual(parse("A=1\0B=x=y\0EMPTY=\0"), [
    ["A", "1"],
    ["B", "x=y"],
    ["EMPTY", ""],
  ]);
  assert.deepEqual(parse(""), []);
  assert.deepEqual(parse("A=1\0CUT=of"), [
    ["A", "1"],
    ["CUT", "of"],
  ]);
  assert.deepEqual(parse("A=1\0A=2\0"), [["A", "2"]]);
});

test("an entry that makes no sense does not cost the others", () => {
  assert.deepEqual(parse("nothing\0=C:\0\0B\xff=1\0V=a\xffb\0U=\xc3\xa4\0"), [
    ["V", "a\ufffdb"],
    ["U", "ä"],
  ]);
});
