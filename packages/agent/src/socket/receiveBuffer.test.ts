import assert from "node:assert/strict";
import { test } from "node:test";
import { BULK_BUFFER_BYTES, RECEIVE_BUFFER_BYTES, ReceiveBuffer, ReceiveBuffers } from "./receiveBuffer.ts";

/** As a socket does: reads so many bytes of `value`. Returns what its reader is handed. */
function read(buffer: ReceiveBuffer, value: number, length = RECEIVE_BUFFER_BYTES): Uint8Array {
  const memory = buffer.next();
  memory.fill(value, 0, length);
  return buffer.arrived(memory, length);
}

/** As one socket through which much flows. */
function busy(buffers: ReceiveBuffers): ReceiveBuffer {
  const buffer = new ReceiveBuffer(buffers);
  read(buffer, 0);
  return buffer;
}

test("the same memory is read into again, unless somebody keeps it", () => {
  const buffer = busy(new ReceiveBuffers());
  const first = buffer.next();
  assert.equal(buffer.next(), first);
  buffer.keep();
  assert.notEqual(buffer.next(), first);
});

test("what is lent is not read into until everybody gave it back, and then again by any socket", () => {
  const buffers = new ReceiveBuffers();
  const [one, other] = [busy(buffers), busy(buffers)];
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
  const buffer = busy(buffers);
  const first = buffer.next();
  buffer.lend()();
  assert.equal(buffer.next(), first);
  assert.notEqual(busy(buffers).next(), first);
});

test("memory that is lent outlives its socket, and memory that is kept is never read into again", () => {
  const buffers = new ReceiveBuffers();
  const closed = busy(buffers);
  const lent = closed.next();
  const end = closed.lend();
  closed.release();
  assert.notEqual(busy(buffers).next(), lent);
  end();
  const next = busy(buffers);
  assert.equal(next.next(), lent);
  const endKept = next.lend();
  next.keep();
  next.release();
  endKept();
  assert.notEqual(busy(buffers).next(), lent);
});

test("silent sockets have no memory, and what they read is not what another reads next", () => {
  const buffers = new ReceiveBuffers();
  const [one, other] = [new ReceiveBuffer(buffers), new ReceiveBuffer(buffers)];
  const common = one.next();
  assert.equal(other.next(), common);
  const first = read(one, 1, 100);
  const end = one.lend();
  assert.equal(one.next(), common);
  const second = read(other, 2, 50);
  assert.deepEqual(first, new Uint8Array(100).fill(1));
  assert.deepEqual(second, new Uint8Array(50).fill(2));
  end();
  assert.equal(other.next(), common);
});

test("a socket has memory of its own while much flows through it", () => {
  const buffers = new ReceiveBuffers();
  const buffer = new ReceiveBuffer(buffers);
  const common = buffer.next();
  const first = read(buffer, 1);
  assert.notEqual(first.buffer, common.buffer);
  assert.deepEqual(first, new Uint8Array(RECEIVE_BUFFER_BYTES).fill(1));
  assert.equal(buffer.next().buffer, first.buffer);
  const last = read(buffer, 2, 10);
  assert.equal(last.buffer, first.buffer);
  assert.equal(buffer.next(), common);
  assert.equal(busy(buffers).next().buffer, first.buffer);
});

/** What a socket reads into that has filled its buffer once. */
function bulk(buffers: ReceiveBuffers): ReceiveBuffer {
  const buffer = new ReceiveBuffer(buffers);
  read(buffer, 1);
  buffer.next();
  return buffer;
}

test("a socket that fills its buffer gets a larger one, until it does not fill the smaller one any more", () => {
  const buffers = new ReceiveBuffers();
  const buffer = new ReceiveBuffer(buffers);
  buffer.next();
  assert.equal(read(buffer, 1, RECEIVE_BUFFER_BYTES).length, RECEIVE_BUFFER_BYTES);
  const large = buffer.next();
  assert.equal(large.length, BULK_BUFFER_BYTES);
  assert.deepEqual(read(buffer, 2, BULK_BUFFER_BYTES), new Uint8Array(BULK_BUFFER_BYTES).fill(2));
  assert.equal(buffer.next(), large);
  read(buffer, 3, 100);
  assert.equal(buffer.next(), buffers.common);
  assert.equal(bulk(buffers).next(), large);
});

test("16 sockets have larger buffers at a time; one that is given back, or belongs to somebody else, is for the next", () => {
  const buffers = new ReceiveBuffers();
  const [first, second, ...others] = Array.from({ length: 17 }, () => bulk(buffers));
  const last = others.at(-1)!;
  assert.equal(others.at(-2)!.next().length, BULK_BUFFER_BYTES);
  assert.equal(last.next().length, RECEIVE_BUFFER_BYTES);
  first!.release();
  assert.equal(last.next().length, BULK_BUFFER_BYTES);
  assert.equal(bulk(buffers).next().length, RECEIVE_BUFFER_BYTES);
  const end = second!.lend();
  second!.keep();
  second!.release();
  assert.equal(bulk(buffers).next().length, RECEIVE_BUFFER_BYTES);
  end();
  assert.equal(bulk(buffers).next().length, BULK_BUFFER_BYTES);
  assert.equal(bulk(buffers).next().length, RECEIVE_BUFFER_BYTES);
});
