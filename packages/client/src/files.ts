// The target's files, by requests to the agent. They are answered strictly in the order they were made, so a slow one holds up
// the later ones of the same session.

import {
  type DirEntryInternal,
  type FileRequest,
  type FileResponse,
  type MetadataInternal,
  type OpenOptionsInternal,
  type ResponseError,
  type Result,
  type SeekFromInternal,
  type U64,
  type VersionGate,
} from "@understudy/protocol";
import type { AgentLink } from "./agentLink.ts";
import { AnswerQueue } from "./answerQueue.ts";
import { AgentError, SessionClosedError } from "./errors.ts";

/** A descriptor of the agent; it means nothing in another session. */
export type RemoteFd = U64 & { readonly __remoteFd: true };

const nothingSet: OpenOptionsInternal = { read: false, write: false, append: false, truncate: false, create: false, createNew: false };
const DEFAULT_CHUNK_BYTES = 64 * 1024;
const DEFAULT_BATCH = 128;
/** Bits of `access`; none asks for existence. */
const accessBits = { read: 4, write: 2, execute: 1 } as const;

type Answer<K extends FileResponse["kind"]> =
  Extract<FileResponse, { kind: K }> extends { readonly value: Result<infer T, ResponseError> } ? T : never;

/** All file requests of one session. They reject with `AgentError` when the agent refuses, with `SessionClosedError` when it is gone. */
export class RemoteFiles {
  readonly #link: AgentLink;
  readonly #need: (gate: VersionGate, what: string) => void;
  readonly #answers = new AnswerQueue<FileResponse>();

  constructor(link: AgentLink, need: (gate: VersionGate, what: string) => void) {
    this.#link = link;
    this.#need = need;
  }

  /** Opens by absolute path; for reading, unless the options say otherwise. `close` gives the descriptor back. */
  async open(path: string, options: Partial<OpenOptionsInternal> = { read: true }): Promise<RemoteFd> {
    const openOptions = { ...nothingSet, ...options };
    return (await this.#ask({ kind: "open", value: { path, openOptions } }, "open", `open ${path}`)).fd as RemoteFd;
  }

  /** Opens relative to an open directory. */
  async openRelative(relativeFd: RemoteFd, path: string, options: Partial<OpenOptionsInternal> = { read: true }): Promise<RemoteFd> {
    const openOptions = { ...nothingSet, ...options };
    return (await this.#ask({ kind: "openRelative", value: { relativeFd, path, openOptions } }, "open", `open ${path}`)).fd as RemoteFd;
  }

  /** At most `maxBytes` from the file's position; empty at the end. */
  async read(remoteFd: RemoteFd, maxBytes: number): Promise<Uint8Array> {
    return (await this.#ask({ kind: "read", value: { remoteFd, bufferSize: maxBytes } }, "read", "read")).bytes;
  }

  /** At most `maxBytes` from `startFrom`; the file's position stays. Empty at the end. */
  async readLimited(remoteFd: RemoteFd, maxBytes: number, startFrom: U64): Promise<Uint8Array> {
    const request: FileRequest = { kind: "readLimited", value: { remoteFd, bufferSize: maxBytes, startFrom } };
    return (await this.#ask(request, "readLimited", "read")).bytes;
  }

  /** Writes at the file's position; gives how many bytes were written, which may be fewer. `writeBytes` must not change meanwhile. */
  async write(fd: RemoteFd, writeBytes: Uint8Array): Promise<U64> {
    return (await this.#ask({ kind: "write", value: { fd, writeBytes } }, "write", "write")).writtenAmount;
  }

  /** Writes at `startFrom`; the file's position stays. */
  async writeLimited(remoteFd: RemoteFd, writeBytes: Uint8Array, startFrom: U64): Promise<U64> {
    const request: FileRequest = { kind: "writeLimited", value: { remoteFd, startFrom, writeBytes } };
    return (await this.#ask(request, "writeLimited", "write")).writtenAmount;
  }

  /** Moves the file's position; gives the new one. */
  async seek(fd: RemoteFd, seekFrom: SeekFromInternal): Promise<U64> {
    return (await this.#ask({ kind: "seek", value: { fd, seekFrom } }, "seek", "seek")).resultOffset;
  }

  /** Gives a descriptor back. Not answered: resolves when the request has left. */
  close(fd: RemoteFd): Promise<void> {
    return this.#tell({ kind: "close", value: { fd } });
  }

  /** Metadata of a path or of an open file. Times hold nanoseconds only. */
  async stat(of: string | RemoteFd, { followSymlink = true }: { readonly followSymlink?: boolean } = {}): Promise<MetadataInternal> {
    const [path, fd] = typeof of === "string" ? [of, null] : [null, of];
    const what = `stat ${path ?? `descriptor ${String(fd)}`}`;
    return (await this.#ask({ kind: "xstat", value: { path, fd, followSymlink } }, "xstat", what)).metadata;
  }

  /** Resolves when the agent's user has all the rights asked for; without any, when the path exists. */
  async access(pathname: string, ...rights: readonly (keyof typeof accessBits)[]): Promise<void> {
    const mode = rights.reduce((bits, right) => bits | accessBits[right], 0);
    await this.#ask({ kind: "access", value: { pathname, mode } }, "access", `access ${pathname}`);
  }

  async readLink(path: string): Promise<string> {
    this.#need("readLink", "reading a link");
    return (await this.#ask({ kind: "readLink", value: { path } }, "readLink", `read link ${path}`)).path;
  }

  async makeDir(pathname: string, mode = 0o777): Promise<void> {
    this.#need("makeDir", "making a directory");
    await this.#ask({ kind: "makeDir", value: { pathname, mode } }, "makeDir", `make directory ${pathname}`);
  }

  async removeDir(pathname: string): Promise<void> {
    this.#need("removeDir", "removing a directory");
    await this.#ask({ kind: "removeDir", value: { pathname } }, "removeDir", `remove directory ${pathname}`);
  }

  async unlink(pathname: string): Promise<void> {
    this.#need("removeDir", "removing a file");
    await this.#ask({ kind: "unlink", value: { pathname } }, "unlink", `unlink ${pathname}`);
  }

  async rename(oldPath: string, newPath: string): Promise<void> {
    this.#need("rename", "renaming");
    await this.#ask({ kind: "rename", value: { oldPath, newPath } }, "rename", `rename ${oldPath} to ${newPath}`);
  }

  /** The entries of a directory, without `.` and `..`, fetched in batches. What it opened is closed however the loop ends. */
  async *readDir(
    path: string,
    { batch = DEFAULT_BATCH }: { readonly batch?: number } = {},
  ): AsyncGenerator<DirEntryInternal, void, undefined> {
    this.#need("readDirBatch", "reading a directory in batches");
    const fd = await this.open(path);
    try {
      const stream = (await this.#ask({ kind: "fdOpenDir", value: { remoteFd: fd } }, "openDir", `read directory ${path}`)).fd;
      try {
        for (;;) {
          const request: FileRequest = { kind: "readDirBatch", value: { remoteFd: stream, amount: batch } };
          const { dirEntries } = await this.#ask(request, "readDirBatch", `read directory ${path}`);
          if (dirEntries.length === 0) return;
          yield* dirEntries;
        }
      } finally {
        await this.#tell({ kind: "closeDir", value: { remoteFd: stream } }).catch(ignoreSessionEnd);
      }
    } finally {
      await this.close(fd).catch(ignoreSessionEnd);
    }
  }

  /** A file's contents in pieces of at most `chunkBytes`; the next piece is asked for when the last one was taken. */
  async *readFile(
    path: string,
    { chunkBytes = DEFAULT_CHUNK_BYTES }: { readonly chunkBytes?: number } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const fd = await this.open(path);
    try {
      for (;;) {
        const chunk = await this.read(fd, chunkBytes);
        if (chunk.length === 0) return;
        yield chunk;
      }
    } finally {
      await this.close(fd).catch(ignoreSessionEnd);
    }
  }

  /** False for an answer that nobody asked for. */
  handle(response: FileResponse): boolean {
    return this.#answers.settle(response);
  }

  fail(reason: Error): void {
    this.#answers.fail(reason);
  }

  async #ask<K extends FileResponse["kind"]>(request: FileRequest, expected: K, what: string): Promise<Answer<K>> {
    const response = await this.#answers.ask(this.#link, { kind: "fileRequest", value: request });
    if (response.kind !== expected) {
      const reason = new SessionClosedError("malformed", `the agent answered ${request.kind} with ${response.kind}`);
      this.#link.finish(reason);
      throw reason;
    }
    if (response.value.kind === "err") throw new AgentError(what, response.value.value);
    return response.value.value as Answer<K>;
  }

  #tell(request: FileRequest): Promise<void> {
    return this.#link.send({ kind: "fileRequest", value: request });
  }
}

/** For closing after use: with the session the agent has closed everything itself. */
function ignoreSessionEnd(error: unknown): void {
  if (!(error instanceof SessionClosedError)) throw error;
}
