// This machine's files, for copying. What is written here was named by the target, so nothing is ever written through a link.

import { constants, createReadStream } from "node:fs";
import { type FileHandle, lstat, mkdir, open, opendir, readlink, rename, stat, symlink, unlink, utimes, chmod } from "node:fs/promises";
import type { FileType } from "@understudy/client";
import type { Part, Side, SideStats } from "./side.ts";

const PIECE_BYTES = 256 * 1024;

export const machineSide: Side = {
  async stat(path, follows) {
    const stats = await (follows ? stat : lstat)(path, { bigint: true });
    return {
      type: typeOf(stats),
      size: Number(stats.size),
      mode: Number(stats.mode & 0o777n),
      mtimeNs: stats.mtimeNs,
      version: stats.mtimeNs.toString(36),
      identity: `${stats.dev}:${stats.ino}`,
    };
  },

  async *names(directory) {
    for await (const { name } of await opendir(directory)) yield name;
  },

  readLink: (path) => readlink(path),
  pieces: (path, start, end = Infinity) => createReadStream(path, { start, end, highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>,

  async makeDir(path) {
    try {
      await mkdir(path, 0o700);
      return true;
    } catch (error) {
      if (!isCode(error, "EEXIST") || !(await lstat(path)).isDirectory()) throw error;
      return false;
    }
  },

  async finishDir(path, { mode, mtimeNs }) {
    await chmod(path, mode);
    if (mtimeNs !== null) await utimes(path, seconds(mtimeNs), seconds(mtimeNs));
  },

  async makeLink(path, text) {
    try {
      await symlink(text, path);
    } catch (error) {
      if (!isCode(error, "EEXIST") || !(await lstat(path)).isSymbolicLink()) throw error;
      await unlink(path);
      await symlink(text, path);
    }
  },

  async openPart(path, keeps) {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    if (!keeps) await file.truncate(0);
    return new MachinePart(file, (await file.stat()).size);
  },

  rename: (from, to) => rename(from, to),
};

class MachinePart implements Part {
  readonly #file: FileHandle;
  #size: number;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async read(start: number, length: number): Promise<Uint8Array> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  }

  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#size = 0;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#size);
      done += bytesWritten;
      this.#size += bytesWritten;
    }
  }

  async finish({ mode, mtimeNs }: SideStats): Promise<void> {
    await this.#file.chmod(mode);
    if (mtimeNs !== null) await this.#file.utimes(seconds(mtimeNs), seconds(mtimeNs));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }
}

function seconds(ns: bigint): number {
  return Number(ns) / 1e9;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function typeOf(stats: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}): FileType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  return stats.isSocket() ? "socket" : "characterDevice";
}
