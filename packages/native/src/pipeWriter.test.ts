import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lseek, lseekSync, pipeHasWriter, SEEK_CUR, SEEK_END, SEEK_SET } from "./index.ts";

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;

test("a pipe has a writer while one has it open or left data in it, and asking takes nothing away", async () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "understudy-pipe-"));
  try {
    const path = join(directory, "fifo");
    execFileSync("mkfifo", [path]);
    const reader = fs.openSync(path, O_RDONLY | O_NONBLOCK);
    assert.equal(await pipeHasWriter(reader), false);
    const writer = fs.openSync(path, O_WRONLY | O_NONBLOCK);
    assert.equal(await pipeHasWriter(reader), true);
    fs.writeSync(writer, "text");
    fs.closeSync(writer);
    assert.equal(await pipeHasWriter(reader), true);
    assert.equal(fs.readSync(reader, Buffer.alloc(10)), 4);
    assert.equal(await pipeHasWriter(reader), false);
    fs.closeSync(reader);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test("the position of a file is moved from its start, its end and itself", async () => {
  const fd = fs.openSync("/etc/passwd", O_RDONLY);
  const { size } = fs.fstatSync(fd);
  assert.equal(lseekSync(fd, 5, SEEK_SET), 5);
  assert.equal(await lseek(fd, -2, SEEK_CUR), 3);
  assert.equal(await lseek(fd, -1n, SEEK_END), size - 1);
  assert.throws(() => lseekSync(fd, -4, SEEK_SET), { errno: 22 });
  await assert.rejects(lseek(fd, -(2n ** 63n), SEEK_END), { errno: 22 });
  fs.closeSync(fd);
});
