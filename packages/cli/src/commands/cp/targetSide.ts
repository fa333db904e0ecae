// The target's files, for copying.

import { FileError, type FileHandle, type PieceWriter, type TargetFiles, UnsupportedByAgentError } from "@understudy/client";
import type { Part, Side, SideStats } from "./side.ts";

export class TargetSide implements Side {
  readonly #files: TargetFiles;

  constructor(files: TargetFiles) {
    this.#files = files;
  }

  async stat(path: string, follows: boolean): Promise<SideStats> {
    const { type, size, mode, mtime, mtimeNs, ctimeNs, dev, ino } = await (follows ? this.#files.stat(path) : this.#files.lstat(path));
    // Times, as far as they are told, and the number of the file, which is another one when it was replaced.
    const version = [mtimeNs, ctimeNs, ino].map((part) => part.toString(36)).join("-");
    return { type, size, mode: mode & 0o777, mtimeNs: mtime === null ? null : mtimeNs, identity: `${dev}:${ino}`, version };
  }

  async *names(directory: string): AsyncGenerator<string, void, undefined> {
    for await (const { name } of this.#files.opendir(directory)) yield name;
  }

  pieces(path: string, start: number, end = Number.MAX_SAFE_INTEGER): AsyncIterable<Uint8Array> {
    return this.#files.pieces(path, { start, end });
  }

  readLink(path: string): Promise<string> {
    return this.#files.readlink(path);
  }

  async makeDir(path: string): Promise<boolean> {
    try {
      await this.#files.mkdir(path);
      return true;
    } catch (error) {
      if (!(error instanceof FileError) || error.code !== "EEXIST" || !(await this.#files.stat(path)).isDirectory()) throw error;
      return false;
    }
  }

  /** Agents set the mode and the times of files alone. */
  finishDir(): Promise<void> {
    return Promise.resolve();
  }

  makeLink(): Promise<void> {
    return Promise.reject(new UnmakeableLinkError());
  }

  async openPart(path: string, keeps: boolean): Promise<Part> {
    const file = await this.#files.open(path, { read: true, write: true, create: true, truncate: !keeps });
    try {
      return new TargetPart(file, keeps ? (await file.stat()).size : 0);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  rename(from: string, to: string): Promise<void> {
    return this.#files.rename(from, to);
  }
}

/** The protocol has no request for it. */
export class UnmakeableLinkError extends Error {
  override readonly name = "UnmakeableLinkError";

  constructor() {
    super("links cannot be made at the target; --follow copies what they point to");
  }
}

class TargetPart implements Part {
  readonly #file: FileHandle;
  #size: number;
  #writer: PieceWriter;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
    this.#writer = file.writer(size);
  }

  get size(): number {
    return this.#size;
  }

  async read(start: number, length: number): Promise<Uint8Array> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(length), { position: start });
    return buffer.subarray(0, bytesRead);
  }

  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#size = 0;
    this.#writer = this.#file.writer(0);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes);
    this.#size += bytes.length;
  }

  async finish({ mode, mtimeNs }: SideStats): Promise<void> {
    await this.#writer.finish();
    try {
      await this.#file.chmod(mode);
      if (mtimeNs !== null) await this.#file.utimes(mtimeNs, mtimeNs);
    } catch (error) {
      // An older agent leaves them as they are.
      if (!(error instanceof UnsupportedByAgentError)) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }
}
