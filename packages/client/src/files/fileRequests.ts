// The requests for files, one method each, as the protocol has them. They are answered strictly in the order they were made, so a slow one
// holds up the later ones of the same session. What programs usually want is made of them in targetFiles.ts.

import {
  type DirEntryInternal,
  type FileRequest,
  type FileResponse,
  type FsMetadataInternal,
  type MetadataInternal,
  type OpenOptionsInternal,
  type ResponseError,
  type Result,
  type SeekFromInternal,
  type Timespec,
  type U64,
  type VersionGate,
} from "@understudy/protocol";
import type { AgentLink } from "../agentLink.ts";
import { AnswerQueue } from "../answerQueue.ts";
import { SessionClosedError } from "../errors.ts";
import { type FileCall, FileError } from "./fileError.ts";
import { untilAborted, type WaitOptions } from "./untilAborted.ts";

/** A descriptor of the agent; it means nothing in another session. */
export type RemoteFd = U64 & { readonly __remoteFd: true };

const nothingSet: OpenOptionsInternal = { read: false, write: false, append: false, truncate: false, create: false, createNew: false };
const DEFAULT_BATCH = 128;

type Answer<K extends FileResponse["kind"]> =
  Extract<FileResponse, { kind: K }> extends { readonly value: Result<infer T, ResponseError> } ? T : never;

/** A request of which nothing is owned when its answer comes too late. */
const nothingToGiveBack = (): void => undefined;

/**
 * All file requests of one session. They reject with `FileError` when the agent refuses, with `SessionClosedError` when it is gone, with
 * `UnsupportedByAgentError` when it is too old, and with the reason of `signal`.
 */
export class FileRequests {
  readonly #link: AgentLink;
  readonly #need: (gate: VersionGate, what: string) => void;
  readonly #answers = new AnswerQueue<FileResponse>();

  constructor(link: AgentLink, need: (gate: VersionGate, what: string) => void) {
    this.#link = link;
    this.#need = need;
  }

  /** Opens by absolute path; for reading, unless the options say otherwise. `close` gives the descriptor back. */
  async open(path: string, options: Partial<OpenOptionsInternal> = { read: true }, wait: WaitOptions = {}): Promise<RemoteFd> {
    const request: FileRequest = { kind: "open", value: { path, openOptions: { ...nothingSet, ...options } } };
    return await this.#opened(request, "open", { syscall: "open", path }, wait);
  }

  /** Opens relative to an open directory. */
  async openRelative(
    relativeFd: RemoteFd,
    path: string,
    options: Partial<OpenOptionsInternal> = { read: true },
    wait: WaitOptions = {},
  ): Promise<RemoteFd> {
    const request: FileRequest = { kind: "openRelative", value: { relativeFd, path, openOptions: { ...nothingSet, ...options } } };
    return await this.#opened(request, "open", { syscall: "open", path }, wait);
  }

  /** At most `maxBytes` from the file's position; empty at the end. */
  async read(remoteFd: RemoteFd, maxBytes: number, wait: WaitOptions = {}): Promise<Uint8Array> {
    const request: FileRequest = { kind: "read", value: { remoteFd, bufferSize: maxBytes } };
    return (await this.#ask(request, "read", { syscall: "read" }, wait)).bytes;
  }

  /** At most `maxBytes` from `startFrom`; the file's position stays. Empty at the end. */
  async readLimited(remoteFd: RemoteFd, maxBytes: number, startFrom: U64, wait: WaitOptions = {}): Promise<Uint8Array> {
    const request: FileRequest = { kind: "readLimited", value: { remoteFd, bufferSize: maxBytes, startFrom } };
    return (await this.#ask(request, "readLimited", { syscall: "read" }, wait)).bytes;
  }

  /** Writes at the file's position; gives how many bytes were written, which may be fewer. `writeBytes` must not change meanwhile. */
  async write(fd: RemoteFd, writeBytes: Uint8Array, wait: WaitOptions = {}): Promise<U64> {
    return (await this.#ask({ kind: "write", value: { fd, writeBytes } }, "write", { syscall: "write" }, wait)).writtenAmount;
  }

  /** Writes at `startFrom`; the file's position stays. */
  async writeLimited(remoteFd: RemoteFd, writeBytes: Uint8Array, startFrom: U64, wait: WaitOptions = {}): Promise<U64> {
    const request: FileRequest = { kind: "writeLimited", value: { remoteFd, startFrom, writeBytes } };
    return (await this.#ask(request, "writeLimited", { syscall: "write" }, wait)).writtenAmount;
  }

  /** Moves the file's position; gives the new one. */
  async seek(fd: RemoteFd, seekFrom: SeekFromInternal, wait: WaitOptions = {}): Promise<U64> {
    return (await this.#ask({ kind: "seek", value: { fd, seekFrom } }, "seek", { syscall: "lseek" }, wait)).resultOffset;
  }

  /** Gives a descriptor back. Not answered: resolves when the request has left. */
  close(fd: RemoteFd): Promise<void> {
    return this.#tell({ kind: "close", value: { fd } });
  }

  /** Metadata of a path or of an open file. Times hold nanoseconds only. */
  async stat(
    of: string | RemoteFd,
    { followSymlink = true, ...wait }: WaitOptions & { readonly followSymlink?: boolean } = {},
  ): Promise<MetadataInternal> {
    const [path, fd] = typeof of === "string" ? [of, null] : [null, of];
    const call = path === null ? { syscall: "fstat" } : { syscall: followSymlink ? "stat" : "lstat", path };
    return (await this.#ask({ kind: "xstat", value: { path, fd, followSymlink } }, "xstat", call, wait)).metadata;
  }

  /** Resolves when the agent's user has all the rights of `mode` (bits 4 read, 2 write, 1 execute); for 0, when the path exists. */
  async access(pathname: string, mode: number, wait: WaitOptions = {}): Promise<void> {
    await this.#ask({ kind: "access", value: { pathname, mode } }, "access", { syscall: "access", path: pathname }, wait);
  }

  async statFs(path: string, wait: WaitOptions = {}): Promise<FsMetadataInternal> {
    this.#need("statFs", "asking for a file system");
    return (await this.#ask({ kind: "statFs", value: { path } }, "xstatFs", { syscall: "statfs", path }, wait)).metadata;
  }

  async readLink(path: string, wait: WaitOptions = {}): Promise<string> {
    this.#need("readLink", "reading a link");
    return (await this.#ask({ kind: "readLink", value: { path } }, "readLink", { syscall: "readlink", path }, wait)).path;
  }

  async makeDir(pathname: string, mode = 0o777, wait: WaitOptions = {}): Promise<void> {
    this.#need("makeDir", "making a directory");
    await this.#ask({ kind: "makeDir", value: { pathname, mode } }, "makeDir", { syscall: "mkdir", path: pathname }, wait);
  }

  async removeDir(pathname: string, wait: WaitOptions = {}): Promise<void> {
    this.#need("removeDir", "removing a directory");
    await this.#ask({ kind: "removeDir", value: { pathname } }, "removeDir", { syscall: "rmdir", path: pathname }, wait);
  }

  async unlink(pathname: string, wait: WaitOptions = {}): Promise<void> {
    this.#need("removeDir", "removing a file");
    await this.#ask({ kind: "unlink", value: { pathname } }, "unlink", { syscall: "unlink", path: pathname }, wait);
  }

  async rename(oldPath: string, newPath: string, wait: WaitOptions = {}): Promise<void> {
    this.#need("rename", "renaming");
    const call = { syscall: "rename", path: oldPath, dest: newPath };
    await this.#ask({ kind: "rename", value: { oldPath, newPath } }, "rename", call, wait);
  }

  async truncate(fd: RemoteFd, length: U64, wait: WaitOptions = {}): Promise<void> {
    this.#need("copyFile", "cutting a file");
    await this.#ask({ kind: "ftruncate", value: { fd, length } }, "ftruncate", { syscall: "ftruncate" }, wait);
  }

  /** Sets access and modification time. */
  async setTimes(fd: RemoteFd, times: readonly [Timespec, Timespec], wait: WaitOptions = {}): Promise<void> {
    this.#need("copyFile", "setting a file's times");
    await this.#ask({ kind: "futimens", value: { fd, times } }, "futimens", { syscall: "futime" }, wait);
  }

  async chmod(fd: RemoteFd, mode: number, wait: WaitOptions = {}): Promise<void> {
    this.#need("copyFile", "setting a file's mode");
    await this.#ask({ kind: "fchmod", value: { fd, mode } }, "fchmod", { syscall: "fchmod" }, wait);
  }

  async chown(fd: RemoteFd, owner: number, group: number, wait: WaitOptions = {}): Promise<void> {
    this.#need("copyFile", "setting a file's owner");
    await this.#ask({ kind: "fchown", value: { fd, owner, group } }, "fchown", { syscall: "fchown" }, wait);
  }

  /** The entries of a directory, without `.` and `..`, fetched in batches. What it opened is closed however the loop ends. */
  async *readDir(
    path: string,
    { batch = DEFAULT_BATCH, ...wait }: WaitOptions & { readonly batch?: number } = {},
  ): AsyncGenerator<DirEntryInternal, void, undefined> {
    this.#need("readDirBatch", "reading a directory in batches");
    const call = { syscall: "scandir", path };
    const stream = await this.#openStream(path, call, wait);
    try {
      for (;;) {
        const request: FileRequest = { kind: "readDirBatch", value: { remoteFd: stream, amount: batch } };
        const { dirEntries } = await this.#ask(request, "readDirBatch", call, wait);
        if (dirEntries.length === 0) return;
        yield* dirEntries;
      }
    } finally {
      await this.#closeStream(stream);
    }
  }

  /** False for an answer that nobody asked for. */
  handle(response: FileResponse): boolean {
    return this.#answers.settle(response);
  }

  fail(reason: Error): void {
    this.#answers.fail(reason);
  }

  async #opened(request: FileRequest, expected: "open", call: FileCall, wait: WaitOptions): Promise<RemoteFd> {
    const giveBack = ({ fd }: { readonly fd: U64 }): void => void this.close(fd as RemoteFd).catch(ignoreSessionEnd);
    return (await this.#ask(request, expected, call, wait, giveBack)).fd as RemoteFd;
  }

  /** The stream does not need the descriptor that it was made of: one for each directory is enough on the way down a deep tree. */
  async #openStream(path: string, call: FileCall, wait: WaitOptions): Promise<U64> {
    const directory = await this.open(path, { read: true }, wait);
    try {
      const request: FileRequest = { kind: "fdOpenDir", value: { remoteFd: directory } };
      return (await this.#ask(request, "openDir", call, wait, ({ fd }) => void this.#closeStream(fd))).fd;
    } finally {
      await this.close(directory).catch(ignoreSessionEnd);
    }
  }

  async #closeStream(stream: U64): Promise<void> {
    await this.#tell({ kind: "closeDir", value: { remoteFd: stream } }).catch(ignoreSessionEnd);
  }

  /** `onLate` gets an answer that came after the caller gave up. */
  async #ask<K extends FileResponse["kind"]>(
    request: FileRequest,
    expected: K,
    call: FileCall,
    { signal }: WaitOptions,
    onLate: (answer: Answer<K>) => void = nothingToGiveBack,
  ): Promise<Answer<K>> {
    signal?.throwIfAborted();
    const answer = this.#answers
      .ask(this.#link, { kind: "fileRequest", value: request })
      .then((response) => this.#accept(request, response, expected, call));
    return await untilAborted(answer, signal, onLate);
  }

  #accept<K extends FileResponse["kind"]>(request: FileRequest, response: FileResponse, expected: K, call: FileCall): Answer<K> {
    if (response.kind !== expected) {
      const reason = new SessionClosedError("malformed", `the agent answered ${request.kind} with ${response.kind}`);
      this.#link.finish(reason);
      throw reason;
    }
    if (response.value.kind === "err") throw new FileError(call, response.value.value);
    return response.value.value as Answer<K>;
  }

  #tell(request: FileRequest): Promise<void> {
    return this.#link.send({ kind: "fileRequest", value: request });
  }
}

/** For closing after use: with the session the agent has closed everything itself. */
export function ignoreSessionEnd(error: unknown): void {
  if (!(error instanceof SessionClosedError)) throw error;
}
