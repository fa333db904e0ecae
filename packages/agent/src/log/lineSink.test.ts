import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { DescriptorSink } from "./lineSink.ts";

/** A FIFO whose reading end is open, so that it can be written. */
async function fifo(): Promise<{ writeFd: number; readFd: number } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "line-sink-"));
  const path = join(folder, "fifo");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  // Opened for both, so that neither end waits for the other.
  const readFd = openSync(path, "r+");
  const writeFd = openSync(path, "w");
  return { writeFd, readFd, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

suite("a pipe that nobody reads", () => {
  test("does not hold up the process, and the queue has an end", async () => {
    await using pipe = await fifo();
    const sink = new DescriptorSink(pipe.writeFd, { closeTimeoutMs: 50 });
    const line = `${"x".repeat(999)}\n`;
    const startMs = performance.now();
    for (let i = 0; i < 2000; i++) sink.write(line, "detail");
    assert.ok(performance.now() - startMs < 1000);
    // The kernel's pipe may take 64 KiB or 1 MiB; the queue takes at most 128 KiB of details.
    assert.ok(sink.droppedLines > 2000 - 1100 - 132, `${sink.droppedLines} dropped`);
    assert.ok(sink.droppedLines < 2000);
    await sink[Symbol.asyncDispose]();
    closeSync(pipe.readFd);
  });

  test("still takes events when there is no room for details", async () => {
    await using pipe = await fifo();
    const sink = new DescriptorSink(pipe.writeFd, { queueMaxBytes: 64 * 1024, closeTimeoutMs: 50 });
    const line = `${"x".repeat(999)}\n`;
    for (let i = 0; i < 2000; i++) sink.write(line, "detail");
    const droppedDetails = sink.droppedLines;
    assert.ok(droppedDetails > 0);
    sink.write(line, "event");
    assert.equal(sink.droppedLines, droppedDetails);
    for (let i = 0; i < 2000; i++) sink.write(line, "event");
    const dropped = sink.droppedLines;
    assert.ok(dropped > droppedDetails);
    sink.write("agent ready\n", "required");
    assert.equal(sink.droppedLines, dropped);
    await sink[Symbol.asyncDispose]();
    closeSync(pipe.readFd);
  });

  test("says how many lines were lost once somebody reads", async () => {
    await using pipe = await fifo();
    const sink = new DescriptorSink(pipe.writeFd, { queueMaxBytes: 8 * 1024 });
    const told = Promise.withResolvers<number>();
    sink.onDropped = (lines) => told.resolve(lines);
    for (let i = 0; i < 2000; i++) sink.write(`${"x".repeat(999)}\n`, "detail");
    const dropped = sink.droppedLines;
    const reader = spawn("cat", { stdio: [pipe.readFd, "ignore", "ignore"] });
    assert.equal(await told.promise, dropped);
    sink.write("after\n", "detail");
    assert.equal(sink.droppedLines, dropped);
    await sink[Symbol.asyncDispose]();
    reader.kill();
    await once(reader, "exit");
    closeSync(pipe.readFd);
  });
});

test("a reader that went away is no error", async () => {
  await using pipe = await fifo();
  const sink = new DescriptorSink(pipe.writeFd);
  closeSync(pipe.readFd);
  sink.write("lost\n", "event");
  await sink[Symbol.asyncDispose]();
  sink.write("lost, too\n", "event");
  assert.ok(sink.droppedLines >= 1);
});

for (const pool of [false, true]) {
  test(`a file gets whole lines in order ${pool ? "through the thread pool" : "without the thread pool"}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "line-sink-"));
    await using owned = new AsyncDisposableStack();
    owned.defer(() => rm(folder, { recursive: true }));
    const path = join(folder, "log");
    const file = await open(path, "a");
    owned.defer(() => file.close());
    const lines = Array.from({ length: 100 }, (_, i) => `line ${i}\n`);
    {
      await using sink = new DescriptorSink(file.fd);
      if (pool) sink.usePool();
      for (const line of lines) sink.write(line, "detail");
      if (!pool) assert.equal(readFileSync(path, "utf8"), lines.join(""));
    }
    assert.equal(readFileSync(path, "utf8"), lines.join(""));
  });
}
