// What one session has open: files, directories and directory streams, by the ids that its client knows. Owns their descriptors, counts
// them against the session's limit and closes them. Ids count from 0 and are never used again.

import type { U64 } from "@understudy/protocol";
import { RemoteError, remoteIoError } from "../errors/remoteError.ts";
import type { Gauge } from "../metrics/instruments.ts";
import type { PoolShare } from "../task/threadPool.ts";
import type { EntryStream } from "./entryStream.ts";
import { EMFILE } from "./errnos.ts";
import { isOfThisMachine } from "./fileSystems.ts";
import { closeInstantly, statusAtHand } from "./instantCalls.ts";
import type { OpenedFile } from "./openFile.ts";
import * as poolCalls from "./poolCalls.ts";

type Entry =
  | { readonly kind: "file"; readonly file: OpenedFile }
  /** `dents`: the place of getdents requests, which use the directory's own id. */
  | { readonly kind: "directory"; readonly file: OpenedFile; dents: EntryStream | null }
  | { readonly kind: "stream"; readonly stream: EntryStream };

/** Descriptors of one session. Its calls must not overlap. */
export class DescriptorTable {
  readonly #entries = new Map<U64, Entry>();
  readonly #maxOpenFiles: number;
  readonly #openFds: Gauge;
  readonly #pool: PoolShare;
  #openCount = 0;
  #nextId = 0;

  /** @param openFds counts what all sessions have open. */
  constructor(maxOpenFiles: number, openFds: Gauge, pool: PoolShare) {
    this.#pool = pool;
    this.#maxOpenFiles = maxOpenFiles;
    this.#openFds = openFds;
  }

  /** To be called before something is opened for this table. @throws RemoteError EMFILE at the limit. */
  checkRoom(): void {
    if (this.#openCount >= this.#maxOpenFiles) throw remoteIoError(EMFILE, `limit of ${this.#maxOpenFiles} open files`);
  }

  /** Takes a file or directory over. @returns its new id. */
  add(file: OpenedFile): number {
    return this.#insert(file.type === "directory" ? { kind: "directory", file, dents: null } : { kind: "file", file });
  }

  /** Takes a directory stream over. @returns its new id. */
  addStream(stream: EntryStream): number {
    return this.#insert({ kind: "stream", stream });
  }

  /** Takes over the getdents stream of a directory that has none yet. */
  addDents(id: U64, stream: EntryStream): void {
    const entry = this.#entries.get(id);
    if (entry?.kind !== "directory" || entry.dents !== null) throw new Error(`no directory without a stream has id ${id}`);
    entry.dents = stream;
    this.#count(1);
  }

  /** @throws RemoteError `notFound` for an id that names neither file nor directory, `notFile` for a directory. */
  file(id: U64): OpenedFile {
    const file = this.fileOrDirectory(id);
    if (file.type === "directory") throw new RemoteError("a directory is no file", { kind: "notFile", value: id });
    return file;
  }

  /** @throws RemoteError `notFound`, `notDirectory`. */
  directory(id: U64): OpenedFile {
    const file = this.fileOrDirectory(id);
    if (file.type !== "directory") throw new RemoteError("a file is no directory", { kind: "notDirectory", value: id });
    return file;
  }

  /** @throws RemoteError `notFound`, also for a stream's id. */
  fileOrDirectory(id: U64): OpenedFile {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.kind === "stream") throw notFound(id);
    return entry.file;
  }

  /** @throws RemoteError `notFound`, also for a file's id. */
  stream(id: U64): EntryStream {
    const entry = this.#entries.get(id);
    if (entry?.kind !== "stream") throw notFound(id);
    return entry.stream;
  }

  /** The getdents stream of a directory, null before its first use. @throws RemoteError as {@link directory}. */
  dents(id: U64): EntryStream | null {
    this.directory(id);
    const entry = this.#entries.get(id);
    return entry?.kind === "directory" ? entry.dents : null;
  }

  /** As `close`, where nothing can hold it up; false where something might. Then nothing was done. */
  closeAtOnce(id: U64): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.kind === "stream") return true;
    if (entry.kind === "directory" || mayWait(entry) || !hasName(entry.file.fd)) return false;
    this.#entries.delete(id);
    closeInstantly(entry.file.fd);
    this.#count(-1);
    return true;
  }

  /** Closes a file or directory, with its getdents stream. An id that names none is ignored. */
  async close(id: U64): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.kind === "stream") return;
    this.#entries.delete(id);
    await this.#closeEntry(entry);
  }

  /** Closes the directory stream of an id, or the getdents stream of a directory's id, which would then start again. */
  async closeStream(id: U64): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry?.kind === "stream") {
      this.#entries.delete(id);
      await this.#closeEntry(entry);
    } else if (entry?.kind === "directory") {
      await this.#closeDents(entry);
    }
  }

  /** Closes everything; the table may be used on. */
  async closeAll(): Promise<void> {
    // A close that waits for a server comes last, so that it delays no other.
    const entries = [...this.#entries.values()].sort((one, other) => Number(mayWait(one)) - Number(mayWait(other)));
    this.#entries.clear();
    for (const entry of entries) await this.#closeEntry(entry);
  }

  #insert(entry: Entry): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#entries.set(id, entry);
    this.#count(1);
    return id;
  }

  async #closeEntry(entry: Entry): Promise<void> {
    if (entry.kind === "directory") await this.#closeDents(entry);
    await this.#closeFd(entry.kind === "stream" ? entry.stream : entry.file, !mayWait(entry));
  }

  async #closeDents(entry: Extract<Entry, { kind: "directory" }>): Promise<void> {
    const { dents } = entry;
    entry.dents = null;
    if (dents !== null) await this.#closeFd(dents, !mayWait(entry));
  }

  async #closeFd({ fd, device }: OpenedFile | EntryStream, isInstant: boolean): Promise<void> {
    if (isInstant && hasName(fd)) {
      closeInstantly(fd);
    } else {
      try {
        await this.#pool.runToEnd(device, () => poolCalls.close(fd));
      } catch {
        // What was written may be lost, but close has no answer; the descriptor is gone all the same.
      }
    }
    this.#count(-1);
  }

  #count(change: 1 | -1): void {
    this.#openCount += change;
    this.#openFds.add(change);
  }
}

/** Whether closing could wait: writing back, a server, or a driver. */
function mayWait(entry: Entry): boolean {
  if (entry.kind === "stream") return true;
  const { isReadOnly, type, fileSystem } = entry.file;
  return !isReadOnly || type === "other" || !isOfThisMachine(fileSystem);
}

/** Closing the last descriptor of a file without a name frees its blocks, which is work for a disk. */
function hasName(fd: number): boolean {
  return statusAtHand(fd).links > 0;
}

function notFound(id: U64): RemoteError {
  return new RemoteError("no such descriptor", { kind: "notFound", value: id });
}
