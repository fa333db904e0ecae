// Bodies that are sent once more: from their beginning while that is kept, with nothing lost or doubled.

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { RequestBody } from "@understudy/client";
import { SendableBody } from "./sendableBody.ts";

function body(...chunks: readonly string[]): RequestBody {
  return Object.assign(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), { trailers: null, isKnownEmpty: false });
}

async function textOf(sendable: SendableBody): Promise<string> {
  let text = "";
  for await (const chunk of sendable.chunks()) text += chunk.toString();
  return text;
}

test("a kept body is read again from its beginning, also after a reader that gave up in the middle", async () => {
  let bytes = 0;
  const sendable = new SendableBody(body("one", "two", "three"), 100, (more) => (bytes += more));
  const first = sendable.chunks();
  assert.equal(String((await first.next()).value), "one");
  const waiting = first.next();
  assert.equal(await textOf(sendable), "onetwothree");
  assert.equal(String((await waiting).value), "two");
  assert.equal(await textOf(sendable), "onetwothree");
  assert.equal(bytes, 11);
});

test("a body larger than what is kept is read once, and says so", async () => {
  const sendable = new SendableBody(body("four", "five"), 6, () => undefined);
  assert.equal(sendable.canRestart, true);
  assert.equal(await textOf(sendable), "fourfive");
  assert.equal(sendable.canRestart, false);
  await assert.rejects(textOf(sendable), /beginning is gone/);
});
