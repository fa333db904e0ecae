import assert from "node:assert/strict";
import { test } from "node:test";
import { ReceiveBuffer, ReceiveBuffers } from "./receiveBuffer.ts";

test("the same memory is read into again, unless somebody keeps it", () => {
  const buffer = new ReceiveBuffer(new ReceiveBuffers());
  const first = buffer.next();
  assert.equal(buffer.next(), first);
  buffer.keep();
  assert.notEqual(buffer.next(), first);
});

test("what is lent is not read into until everybody gave it back, and then again by any socket", () => {
  const buffers = new ReceiveBuffers();
  const [one, other] = [new ReceiveBuffer(buffers), new ReceiveBuffer(buffers)];
  const first = one.next();
  const ends = [one.lend(), one.lend()];
  const second = one.next();
  assert.notEqual(second, first);
  ends[0]!();
  assert.notEqual(other.next(), first);
  other.keep();
  ends[1]!();
  assert.equal(other.next(), first);
  assert.equal(one.next(), second);
});

test("memory given back before the next read stays with its socket", () => {
  const buffers = new ReceiveBuffers();
  const buffer = new ReceiveBuffer(buffers);
  const first = buffer.next();
  buffer.lend()();
  assert.equal(buffer.next(), first);
  assert.notEqual(new ReceiveBuffer(buffers).next(), first);
});

test("memory that is lent outlives its socket, and memory that is kept is never read into again", () => {
  const buffers = new ReceiveBuffers();
  const closed = new ReceiveBuffer(buffers);
  const lent = closed.next();
  const end = closed.lend();
  closed.release();
  const later = new ReceiveBuffer(buffers);
  assert.notEqual(later.next(), lent);
  end();
  const next = new ReceiveBuffer(buffers);
  assert.equal(next.next(), lent);
  const endKept = next.lend();
  next.keep();
  next.release();
  endKept();
  assert.notEqual(new ReceiveBuffer(buffers).next(), lent);
});
