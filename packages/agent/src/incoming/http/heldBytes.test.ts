// Bytes that wait on one connection, and their count over all of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBudget } from "../../task/memoryBudget.ts";
import { HeldBytes, HeldMemory } from "./heldBytes.ts";

const text = ({ bytes, start, end }: HeldBytes): string => Buffer.from(bytes.subarray(start, end)).toString();

test("bytes leave in the order in which they came, and what was handed out never changes", () => {
  const budget = new MemoryBudget({ totalBytes: 1000, shareMaxBytes: 1000 });
  const held = new HeldBytes(new HeldMemory(budget.open(), 10));
  const source = Buffer.from("abc");
  held.append(source);
  source.fill("x");
  assert.equal(text(held), "abc");
  const first = held.bytes.subarray(held.start, held.end);
  held.consume(1);
  held.append(Buffer.from("defghijkl"));
  held.append(Buffer.from("m"));
  assert.equal(text(held), "bcdefghijklm");
  assert.equal(Buffer.from(first).toString(), "abc");
  held.consume(12);
  held.append(Buffer.from("n"));
  assert.equal(text(held), "n");
  assert.equal(Buffer.from(first).toString(), "abc");
});

test("all connections together are counted, and know when they hold too much", () => {
  const budget = new MemoryBudget({ totalBytes: 1000, shareMaxBytes: 1000 });
  const memory = new HeldMemory(budget.open(), 10);
  const [one, two] = [new HeldBytes(memory), new HeldBytes(memory)];
  one.append(new Uint8Array(6));
  assert.equal(memory.hasRoom, true);
  two.append(new Uint8Array(6));
  assert.equal(memory.hasRoom, false);
  assert.equal(budget.usedBytes, 12);
  one.consume(6);
  assert.equal(memory.hasRoom, true);
  two.clear();
  two.clear();
  assert.equal(budget.usedBytes, 0);
});

test("many small pieces cost no more than their bytes, over and over", () => {
  const budget = new MemoryBudget({ totalBytes: 1 << 20, shareMaxBytes: 1 << 20 });
  const held = new HeldBytes(new HeldMemory(budget.open(), 1 << 20));
  const piece = new Uint8Array(1);
  const memories = new Set<ArrayBufferLike>();
  for (let i = 0; i < 100_000; i++) {
    held.append(piece);
    memories.add(held.bytes.buffer);
  }
  assert.ok(memories.size < 20, `${memories.size} times all was copied`);
});
