import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerBuffer, AnswerBuffers } from "./answerBuffer.ts";

test("memory of an answer that has left is used for the next one", () => {
  const buffers = new AnswerBuffers();
  const [one, other] = [new AnswerBuffer(buffers), new AnswerBuffer(buffers)];
  const memory = one.take(100_000);
  assert.equal(memory.bytes.length, 131_072);
  one.release();
  assert.equal(other.take(70_000), memory);
  assert.notEqual(one.take(70_000), memory);
});

test("memory that is kept is nobody else's until it is reclaimed", () => {
  const buffers = new AnswerBuffers();
  const [one, other] = [new AnswerBuffer(buffers), new AnswerBuffer(buffers)];
  const kept = one.take(2 ** 20);
  one.keep();
  one.release();
  const lent = one.take(2 ** 20);
  assert.notEqual(lent, kept);
  assert.notEqual(other.take(2 ** 20), kept);
  other.release();
  one.reclaim();
  const next = [other.take(2 ** 20), new AnswerBuffer(buffers).take(2 ** 20)];
  assert.ok(next.includes(kept));
  assert.ok(!next.includes(lent), "reclaiming leaves alone what is not sent yet");
});

test("no more memory lies ready than the limit says", () => {
  const buffers = new AnswerBuffers(64 * 1024);
  const taken = [buffers.take(1), buffers.take(32 * 1024), buffers.take(64 * 1024)];
  for (const memory of taken) buffers.give(memory);
  assert.equal(taken[2]?.bytes.length, 0, "what is too much is freed at once");
  assert.equal(buffers.take(0), taken[0]);
  assert.equal(buffers.take(32 * 1024), taken[1]);
  assert.notEqual(buffers.take(64 * 1024), taken[2]);
});

test("answers shrink while many are read, never below 64 KiB, and grow again", () => {
  const buffers = new AnswerBuffers();
  const sessions = Array.from({ length: 60 }, () => new AnswerBuffer(buffers));
  assert.equal(buffers.answerMaxBytes, 2 * 2 ** 20);
  let total = 0;
  for (const session of sessions) total += session.take(Math.min(session.maxBytes, 2 ** 20)).bytes.length;
  assert.ok(total <= 10 * 2 ** 20, `${total} bytes`);
  assert.equal(buffers.answerMaxBytes, 64 * 1024);
  for (const [index, session] of sessions.entries()) {
    // Some leave with what they have, before or after it was sent.
    if (index % 3 > 0) session.keep();
    if (index % 3 === 1) session.abandon();
    session.release();
    if (index % 3 === 2) session.abandon();
  }
  assert.equal(buffers.answerMaxBytes, 2 * 2 ** 20);
});
