import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { EOPNOTSUPP } from "./errno.ts";
import { keepAccessTime, readCached, readInMemory, ReadMemory } from "./readNow.ts";

const hasShm = fs.existsSync("/dev/shm");

function temporaryFile(folder: string, content: Uint8Array): { readonly fd: number } & Disposable {
  const name = path.join(fs.mkdtempSync(path.join(folder, "understudy-read-")), "file");
  fs.writeFileSync(name, content);
  const fd = fs.openSync(name, "r");
  return {
    fd,
    [Symbol.dispose]() {
      fs.closeSync(fd);
      fs.rmSync(path.dirname(name), { recursive: true });
    },
  };
}

test("a part of a file goes to its place in the memory, at an offset or at the file's position", () => {
  using file = temporaryFile(tmpdir(), Buffer.from("0123456789"));
  const memory = new ReadMemory(8);
  memory.bytes.fill("-");
  assert.equal(readInMemory(file.fd, memory, { start: 2, length: 3, position: 4n }), 3);
  assert.equal(memory.bytes.toString(), "--456---");
  assert.equal(readInMemory(file.fd, memory, { start: 0, length: 2, position: null }), 2);
  assert.equal(readInMemory(file.fd, memory, { start: 6, length: 2, position: null }), 2);
  assert.equal(memory.bytes.toString(), "01456-23");
  assert.equal(readInMemory(file.fd, memory, { start: 0, length: 8, position: 8 }), 2);
  assert.equal(readInMemory(file.fd, memory, { start: 0, length: 8, position: 10 }), 0);
  assert.throws(() => readInMemory(file.fd, memory, { start: 6, length: 3, position: 0 }), RangeError);
});

test("a cached read says so where a file system cannot tell", { skip: !hasShm && "no /dev/shm" }, () => {
  using file = temporaryFile("/dev/shm", Buffer.from("0123456789"));
  const memory = new ReadMemory(8);
  const count = readCached(file.fd, memory, { start: 0, length: 8, position: 0 });
  if (count === -EOPNOTSUPP) assert.equal(readInMemory(file.fd, memory, { start: 0, length: 8, position: 0 }), 8);
  else assert.equal(count, 8);
  assert.equal(memory.bytes.toString(), "01234567");
});

test("the access time of an own file is left alone when asked for", () => {
  using file = temporaryFile(tmpdir(), Buffer.from("0123456789"));
  const before = new Date(0);
  fs.futimesSync(file.fd, before, new Date());
  assert.equal(keepAccessTime(file.fd), true);
  fs.readSync(file.fd, Buffer.alloc(4));
  assert.deepEqual(fs.fstatSync(file.fd).atime, before);
});
