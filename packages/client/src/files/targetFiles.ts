// The target's files as `fs/promises` has a machine's: the calls that programs use, with Node's names, arguments and results. Paths are
// absolute and of the target. What the protocol has no request for is not here: links cannot be made, nothing can be watched or synced, and
// modes, owners and times are set through an open file.

import { Readable, type Writable } from "node:stream";
import type { DirEntryInternal, FileResponse, U64, VersionGate } from "@understudy/protocol";
import type { AgentLink } from "../agentLink.ts";
import { type EncodingGiven, type EncodingOptions, FileHandle, type Writing } from "./fileHandle.ts";
import { FileRequests, type RemoteFd } from "./fileRequests.ts";
import { type OpenFlags, openOptionsOf } from "./openFlags.ts";
import type { PieceWriter } from "./pieceWriter.ts";
import type { ReadOptions } from "./readPieces.ts";
import { type Dirent, Stats, type StatsFs, statsFsOf } from "./stats.ts";
import { entriesBelow, entriesOf, makeDirs, remove, resolveLinks, type RmOptions } from "./treeOperations.ts";
import type { WaitOptions } from "./untilAborted.ts";
import { writableOf } from "./writableOf.ts";

export interface ReaddirOptions extends WaitOptions {
  readonly withFileTypes?: boolean;
  /** Also what is in the directories below. Names are then paths from the directory that was asked for, as in Node. */
  readonly recursive?: boolean;
}

export interface MkdirOptions extends WaitOptions {
  /** Less the umask of the agent. Default 0o777. */
  readonly mode?: number;
  /** Makes those above, too; one that is there is no error. */
  readonly recursive?: boolean;
}

export interface WriteFileOptions extends WaitOptions {
  /** Default `w`: made or cut. */
  readonly flag?: OpenFlags;
}

/**
 * `session.files`. Every call rejects with `FileError` (with `code`, such as `ENOENT`) when the agent refuses, with `SessionClosedError` when
 * the session is over, with `UnsupportedByAgentError` when the agent is too old, and with the reason of its `signal`. Calls of one session are
 * answered in their order: one that waits, such as the opening of a pipe that nobody writes to, holds up all later ones.
 */
export class TargetFiles {
  /** The same by single requests, for those who know the protocol. */
  readonly requests: FileRequests;

  constructor(link: AgentLink, need: (gate: VersionGate, what: string) => void) {
    this.requests = new FileRequests(link, need);
  }

  async open(path: string, flags: OpenFlags = "r", wait: WaitOptions = {}): Promise<FileHandle> {
    const options = openOptionsOf(flags);
    return new FileHandle(this.requests, await this.requests.open(path, options, wait), { appends: options.append === true });
  }

  /** All of a file: bytes, or text where an encoding is given. */
  readFile(path: string, options?: EncodingOptions & { readonly encoding?: null }): Promise<Buffer>;
  readFile(path: string, options: BufferEncoding | (EncodingOptions & { readonly encoding: BufferEncoding })): Promise<string>;
  async readFile(path: string, options: EncodingGiven = null): Promise<Buffer | string> {
    await using file = await this.open(path, "r", waitOf(options));
    return await file.readFile(options);
  }

  /** Writes a file from its beginning, made or cut before. Not atomic. */
  async writeFile(path: string, data: Writing, { flag = "w", signal }: WriteFileOptions = {}): Promise<void> {
    await using file = await this.open(path, flag, { signal });
    await file.writeFile(data, { signal });
  }

  /** Writes at the end of a file, which is made if there is none. */
  async appendFile(path: string, data: Writing, { flag = "a", signal }: WriteFileOptions = {}): Promise<void> {
    await this.writeFile(path, data, { flag, signal });
  }

  /** A file in pieces, as it is read; several are asked for ahead. Closes it however the loop ends. */
  async *pieces(path: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    await using file = await this.open(path, "r", { signal: options.signal });
    yield* file.pieces(options);
  }

  /** As `pieces`; the file is opened with the first read and closed with the stream. */
  createReadStream(path: string, options: ReadOptions = {}): Readable {
    return Readable.from(this.pieces(path, options), { objectMode: false });
  }

  /** The file is opened with the first write, made or cut unless `flag` says otherwise, and closed before `finish`. Written bytes must not change until then. */
  createWriteStream(path: string, { flag = "w", signal }: WriteFileOptions = {}): Writable {
    let file: FileHandle | null = null;
    const open = async (): Promise<PieceWriter> => {
      file = await this.open(path, flag, { signal });
      return file.writer(0, { signal });
    };
    return writableOf(open, async () => await file?.close());
  }

  /** Names in the directory's own order. Use `opendir` where there may be very many. */
  readdir(path: string, options: ReaddirOptions & { readonly withFileTypes: true }): Promise<Dirent[]>;
  readdir(path: string, options?: ReaddirOptions & { readonly withFileTypes?: false }): Promise<string[]>;
  async readdir(path: string, { withFileTypes = false, recursive = false, signal }: ReaddirOptions = {}): Promise<Dirent[] | string[]> {
    const entries: Dirent[] = [];
    for await (const entry of (recursive ? entriesBelow : entriesOf)(this.requests, path, { signal })) entries.push(entry);
    if (withFileTypes) return entries;
    const top = path.replace(/\/+$/, "");
    return entries.map(({ name, parentPath }) => (parentPath === path ? name : `${parentPath.slice(top.length + 1)}/${name}`));
  }

  /** The entries of a directory as they come, in a bounded memory. What was opened is closed however the loop ends. */
  opendir(path: string, wait: WaitOptions = {}): AsyncGenerator<Dirent, void, undefined> {
    return entriesOf(this.requests, path, wait);
  }

  async stat(path: string, wait: WaitOptions = {}): Promise<Stats> {
    return new Stats(await this.requests.stat(path, wait));
  }

  /** Of a link itself. */
  async lstat(path: string, { signal }: WaitOptions = {}): Promise<Stats> {
    return new Stats(await this.requests.stat(path, { signal, followSymlink: false }));
  }

  async statfs(path: string, wait: WaitOptions = {}): Promise<StatsFs> {
    return statsFsOf(await this.requests.statFs(path, wait));
  }

  async readlink(path: string, wait: WaitOptions = {}): Promise<string> {
    return await this.requests.readLink(path, wait);
  }

  /** The path without links, `.` and `..`. Asks for every part of it. */
  async realpath(path: string, wait: WaitOptions = {}): Promise<string> {
    return await resolveLinks(this.requests, path, wait);
  }

  /** `mode`: `fs.constants.R_OK`, `W_OK` and `X_OK`; none asks whether the path exists. For the agent's user, not the target's. */
  async access(path: string, mode = 0, wait: WaitOptions = {}): Promise<void> {
    await this.requests.access(path, mode, wait);
  }

  /** With `recursive`, gives the first directory that was made. */
  async mkdir(path: string, { mode = 0o777, recursive = false, signal }: MkdirOptions = {}): Promise<string | undefined> {
    if (recursive) return await makeDirs(this.requests, path, mode, { signal });
    await this.requests.makeDir(path, mode, { signal });
    return undefined;
  }

  async rmdir(path: string, wait: WaitOptions = {}): Promise<void> {
    await this.requests.removeDir(path, wait);
  }

  async unlink(path: string, wait: WaitOptions = {}): Promise<void> {
    await this.requests.unlink(path, wait);
  }

  async rm(path: string, options: RmOptions = {}): Promise<void> {
    await remove(this.requests, path, options);
  }

  /** Replaces a file at `newPath`. */
  async rename(oldPath: string, newPath: string, wait: WaitOptions = {}): Promise<void> {
    await this.requests.rename(oldPath, newPath, wait);
  }

  // Single requests with an open file, as `requests` has them.

  /** At most `maxBytes` from the file's position; empty at the end. */
  async read({ fd }: { readonly fd: RemoteFd }, maxBytes: number): Promise<Uint8Array> {
    return await this.requests.read(fd, maxBytes);
  }

  /** At most `maxBytes` from `startFrom`; empty at the end. */
  async readLimited({ fd }: { readonly fd: RemoteFd }, maxBytes: number, startFrom: U64): Promise<Uint8Array> {
    return await this.requests.readLimited(fd, maxBytes, startFrom);
  }

  async close(file: FileHandle): Promise<void> {
    await file.close();
  }

  /** Entries as the protocol has them, `batch` a request. */
  readDir(path: string, options: WaitOptions & { readonly batch?: number } = {}): AsyncGenerator<DirEntryInternal, void, undefined> {
    return this.requests.readDir(path, options);
  }

  /** False for an answer that nobody asked for. */
  handle(response: FileResponse): boolean {
    return this.requests.handle(response);
  }

  fail(reason: Error): void {
    this.requests.fail(reason);
  }
}

function waitOf(options: EncodingGiven): WaitOptions {
  return typeof options === "string" || options === null ? {} : { signal: options.signal };
}
