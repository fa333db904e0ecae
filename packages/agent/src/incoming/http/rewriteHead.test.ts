// Header replacement in heads that are otherwise passed on byte for byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseHead } from "./head.ts";
import { headerEdit, rewriteHead } from "./rewriteHead.ts";

const cache = headerEdit("cache-control", "no-cache");
const agent = headerEdit("mirrord-agent", "passed-through");

function rewritten(text: string): string {
  const bytes = Buffer.from(`before${text}after`, "latin1");
  const head = new ResponseHead();
  const facts = { isHead: false, isConnect: false };
  assert.equal(head.scan(bytes, 6, bytes.length, facts), "complete");
  return Buffer.from(rewriteHead(bytes, head, [agent, cache])).toString("latin1");
}

test("a header that is there gets its new value in place and keeps its spelling", () => {
  assert.equal(
    rewritten("HTTP/1.1 200 Fine\r\nA:1\r\nCache-CONTROL:   max-age=1 \r\nX-b:b\r\n\r\n"),
    "HTTP/1.1 200 Fine\r\nA:1\r\nCache-CONTROL:   no-cache \r\nX-b:b\r\nmirrord-agent: passed-through\r\n\r\n",
  );
});

test("repetitions are dropped wherever they stand", () => {
  assert.equal(
    rewritten("HTTP/1.1 200 OK\r\ncache-control: a\r\ncache-control: b\r\nMirrord-Agent: x\r\nB: 2\r\nCache-Control: c\r\n\r\n"),
    "HTTP/1.1 200 OK\r\ncache-control: no-cache\r\nMirrord-Agent: passed-through\r\nB: 2\r\n\r\n",
  );
});

test("missing headers are added before the empty line in the order of the edits", () => {
  assert.equal(
    rewritten("HTTP/1.1 204 No Content\r\n\r\n"),
    "HTTP/1.1 204 No Content\r\nmirrord-agent: passed-through\r\ncache-control: no-cache\r\n\r\n",
  );
});

test("an empty value is replaced", () => {
  assert.equal(
    rewritten("HTTP/1.1 200 OK\r\ncache-control:\r\nmirrord-agent: \r\n\r\n"),
    "HTTP/1.1 200 OK\r\ncache-control:no-cache\r\nmirrord-agent: passed-through\r\n\r\n",
  );
});

test("an edit that could break out of its line is refused", () => {
  assert.throws(() => headerEdit("a", "b\r\nc: d"), TypeError);
  assert.throws(() => headerEdit("a b", "c"), TypeError);
  assert.throws(() => headerEdit("Upper", "c"), TypeError);
  assert.throws(() => headerEdit("", "c"), TypeError);
});
