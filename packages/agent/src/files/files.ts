// The remote file domain of one session: takes a request of the wire, does it on the target's files, gives the response. It knows nothing of
// connections. What a request may wait for (a FIFO, a slow disk) holds up this session's file requests and nobody else's.

import { AT_REMOVEDIR, DT_DIR, type FileStatus, type FileSystemStats, fstatfs, futimens, O_DIRECTORY, O_RDONLY } from "@understudy/native";
import type {
  AccessFileResponse,
  FileRequest,
  FileResponse,
  FutimensRequest,
  GetDEnts64Request,
  GetDEnts64Response,
  OpenOptionsInternal,
  ReadFileResponse,
  ResponseError,
  Result,
  SeekFileRequest,
  U64,
  UnlinkAtRequest,
  XstatRequest,
} from "@understudy/protocol";
import { remoteIoError, remoteKindError, toResponseError } from "../errors/remoteError.ts";
import type { Log } from "../log/log.ts";
import type { Gauge } from "../metrics/instruments.ts";
import { andThen, type MaybePromise } from "../task/maybePromise.ts";
import type { PoolShare, ThreadPool } from "../task/threadPool.ts";
import type { AnswerBuffer } from "./answerBuffer.ts";
import * as contents from "./contents.ts";
import { DescriptorTable } from "./descriptorTable.ts";
import { EntryStream } from "./entryStream.ts";
import { EINTR } from "./errnos.ts";
import { FileSystems } from "./fileSystems.ts";
import { fileTime } from "./fileTime.ts";
import type { InstantReads } from "./instantReads.ts";
import { openAtOnce, openFile, openFlags } from "./openFile.ts";
import { checkAbsolute, PathRequests, permissionBits } from "./pathRequests.ts";
import * as poolCalls from "./poolCalls.ts";
import { fileSystemMetadata, fileSystemMetadataV2, metadata } from "./status.ts";
import { type Start, TargetPaths, type Walker } from "./targetPaths.ts";

/** Parts and limits of one session's files. */
export interface FilesOptions {
  /** O_PATH descriptor of the target's root; without a target, of the agent's own. Stays the caller's; many sessions share it. */
  readonly rootFd: number;
  readonly log: Log;
  /** Shared by all sessions. */
  readonly threads: ThreadPool;
  /** Who goes through paths. Default `kernel`. */
  readonly walker?: Walker;
  /** Counts open files, directories and directory streams of all sessions. */
  readonly openFds: Gauge;
  readonly limits: FilesLimits;
  /** Shared by all sessions. */
  readonly instantReads: InstantReads;
  /** True: times in responses are nanoseconds since 1970. False: only those within the second, as the reference sends them. */
  readonly fullTimes: boolean;
  /** The session's: its abort ends what waits for a FIFO or a device. */
  readonly signal: AbortSignal;
}

export interface FilesLimits {
  /** Most files, directories and streams open at a time; further opens get EMFILE. Sensible: 256 to 4096. */
  readonly maxOpenFiles: number;
  /** Most bytes of one answer to a read; clients take short reads. Default 1 MiB; sensible: 64 KiB to 4 MiB. */
  readonly maxReadBytes?: number;
}

/** Files of one session. Disposing waits for the request under way and closes everything; it does not fail, and twice is once. */
export interface Files extends AsyncDisposable {
  /**
   * Carries out one request after those before it. There is no limit here to how many may wait: await each, or bound them. Bytes to
   * write must stay as they are until it settles. Never fails: a failure is the `err` of the response. It is a promise only where something may have to be waited for.
   *
   * @param buffer what bytes read are in; then call again only when it was released. Without, they are the response's own.
   * @returns undefined for `close` and `closeDir`, which have no response.
   */
  handle(request: FileRequest, buffer?: AnswerBuffer): MaybePromise<FileResponse | undefined>;
}

/** Makes the files of one session. The caller disposes them. */
export function createFiles(options: FilesOptions): Files {
  return new SessionFiles(options);
}

const defaultMaxReadBytes = 2 ** 20;

class SessionFiles implements Files {
  readonly #log: Log;
  readonly #pool: PoolShare;
  readonly #paths: TargetPaths;
  readonly #fileSystems: FileSystems;
  readonly #byPath: PathRequests;
  readonly #table: DescriptorTable;
  readonly #maxReadBytes: number;
  readonly #instantReads: InstantReads;
  readonly #fullTimes: boolean;
  readonly #disposing = new AbortController();
  readonly #signal: AbortSignal;
  /** The last request that had to wait, null once it is done. */
  #underWay: Promise<void> | null = null;

  constructor(options: FilesOptions) {
    this.#log = options.log;
    this.#signal = AbortSignal.any([options.signal, this.#disposing.signal]);
    this.#pool = options.threads.share(this.#signal);
    this.#paths = new TargetPaths(options.rootFd, { pool: this.#pool, walker: options.walker ?? "kernel" });
    this.#fileSystems = new FileSystems(this.#pool);
    this.#byPath = new PathRequests(this.#paths, this.#fileSystems, this.#pool);
    this.#table = new DescriptorTable(options.limits.maxOpenFiles, options.openFds, this.#pool);
    this.#maxReadBytes = options.limits.maxReadBytes ?? defaultMaxReadBytes;
    this.#instantReads = options.instantReads;
    this.#fullTimes = options.fullTimes;
  }

  handle(request: FileRequest, buffer: AnswerBuffer | null = null): MaybePromise<FileResponse | undefined> {
    const before = this.#underWay;
    const work = before === null ? this.#respond(request, buffer) : before.then(() => this.#respond(request, buffer));
    if (!(work instanceof Promise)) return work;
    // Without the response, which would stay in memory until the next request.
    const done: Promise<void> = work.then(() => {
      if (this.#underWay === done) this.#underWay = null;
    });
    this.#underWay = done;
    return work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposing.abort();
    // Closed meanwhile, a descriptor could be another session's by the time a pool thread uses it.
    await this.#underWay;
    await this.#table.closeAll();
  }

  /** A request whose turn it is. */
  #respond(request: FileRequest, buffer: AnswerBuffer | null): MaybePromise<FileResponse | undefined> {
    const attempt = <T>(work: () => MaybePromise<T>): MaybePromise<Result<T, ResponseError>> => this.#attempt(request.kind, work);
    const answer = <K extends FileResponse["kind"], T>(kind: K, work: () => MaybePromise<T>) =>
      andThen(attempt(work), (value) => ({ kind, value }));
    switch (request.kind) {
      case "open":
        return answer("open", () => this.#open("root", request.value.path, request.value.openOptions));
      case "openRelative": {
        const { relativeFd, path, openOptions } = request.value;
        return answer("open", () => this.#open(this.#table.directory(relativeFd).fd, path, openOptions));
      }
      case "read":
        return answer("read", () => this.#read(request.value.remoteFd, request.value.bufferSize, null, buffer));
      case "readLimited": {
        const { remoteFd, bufferSize, startFrom } = request.value;
        return answer("readLimited", () => this.#read(remoteFd, bufferSize, startFrom, buffer));
      }
      case "write":
        return answer("write", () => this.#write(request.value.fd, request.value.writeBytes, null));
      case "writeLimited": {
        const { remoteFd, startFrom, writeBytes } = request.value;
        return answer("writeLimited", () => this.#write(remoteFd, writeBytes, startFrom));
      }
      case "seek":
        return answer("seek", () => andThen(this.#seek(request.value), (resultOffset) => ({ resultOffset })));
      case "close":
        return andThen(
          attempt(() => this.#close(request.value.fd)),
          () => undefined,
        );
      case "closeDir":
        return andThen(
          attempt(() => this.#table.closeStream(request.value.remoteFd)),
          () => undefined,
        );
      case "access":
        return answer("access", async () => empty(await this.#byPath.access(request.value.pathname, request.value.mode)));
      case "xstat":
        return answer("xstat", () => andThen(this.#status(request.value), (status) => ({ metadata: metadata(status, this.#fullTimes) })));
      case "xstatFs":
        return answer("xstatFs", async () => ({ metadata: fileSystemMetadata(await this.#fileSystemOf(request.value.fd)) }));
      case "xstatFsV2":
        return answer("xstatFsV2", async () => ({ metadata: fileSystemMetadataV2(await this.#fileSystemOf(request.value.fd)) }));
      case "statFs":
        return answer("xstatFs", async () => ({ metadata: fileSystemMetadata(await this.#byPath.fileSystemOf(request.value.path)) }));
      case "statFsV2":
        return answer("xstatFsV2", async () => ({ metadata: fileSystemMetadataV2(await this.#byPath.fileSystemOf(request.value.path)) }));
      case "readLink":
        return answer("readLink", async () => ({ path: await this.#byPath.linkText(request.value.path) }));
      case "makeDir":
        return answer("makeDir", () => done(this.#byPath.makeDirectory("root", request.value.pathname, request.value.mode)));
      case "makeDirAt": {
        const { dirfd, pathname, mode } = request.value;
        return answer("makeDir", () => done(this.#byPath.makeDirectory(this.#table.directory(dirfd).fd, pathname, mode)));
      }
      case "removeDir":
        return answer("removeDir", () => done(this.#byPath.remove("root", request.value.pathname, AT_REMOVEDIR)));
      case "unlink":
        return answer("unlink", () => done(this.#byPath.remove("root", request.value.pathname, 0)));
      case "unlinkAt":
        return answer("unlink", () => this.#unlinkAt(request.value));
      case "rename":
        return answer("rename", () => done(this.#byPath.rename(request.value.oldPath, request.value.newPath)));
      case "fdOpenDir":
        return answer("openDir", () => this.#openStream(request.value.remoteFd));
      case "readDir":
        return answer("readDir", async () => ({ direntry: (await this.#table.stream(request.value.remoteFd).take(1))[0] ?? null }));
      case "readDirBatch": {
        const { remoteFd, amount } = request.value;
        return answer("readDirBatch", async () => ({ fd: remoteFd, dirEntries: await this.#table.stream(remoteFd).take(amount) }));
      }
      case "getDEnts64":
        return answer("getDEnts64", () => this.#getDents(request.value));
      case "ftruncate": {
        const { fd, length } = request.value;
        return answer("ftruncate", () => done(contents.truncate(this.#table.file(fd), length, this.#pool)));
      }
      case "futimens":
        return answer("futimens", () => this.#setTimes(request.value.fd, request.value.times));
      case "fchown": {
        const { fd, owner, group } = request.value;
        return answer("fchown", () => this.#onFile(fd, (file) => poolCalls.changeOwner(file, owner, group)));
      }
      case "fchmod": {
        const { fd, mode } = request.value;
        return answer("fchmod", () => this.#onFile(fd, (file) => poolCalls.changeMode(file, mode & permissionBits)));
      }
    }
  }

  #attempt<T>(request: FileRequest["kind"], work: () => MaybePromise<T>): MaybePromise<Result<T, ResponseError>> {
    try {
      // After disposal nothing must be opened that nobody would close.
      if (this.#disposing.signal.aborted) throw remoteIoError(EINTR, "the session has ended");
      const value = work();
      if (!(value instanceof Promise)) return { kind: "ok", value };
      return value.then(
        (later) => ({ kind: "ok", value: later }),
        (error: unknown) => this.#failure(request, error),
      );
    } catch (error) {
      return this.#failure(request, error);
    }
  }

  #failure(request: FileRequest["kind"], error: unknown): Result<never, ResponseError> {
    if (this.#log.isDebug) this.#log.debug("a file request failed", { request, error: String(error) });
    return { kind: "err", value: toResponseError(error) };
  }

  #open(start: Start, path: string, options: OpenOptionsInternal): MaybePromise<{ readonly fd: U64 }> {
    const flags = openFlags(options);
    if (start === "root") checkAbsolute(path);
    this.#table.checkRoom();
    const means = {
      paths: this.#paths,
      fileSystems: this.#fileSystems,
      trust: this.#instantReads.trust,
      pool: this.#pool,
      signal: this.#signal,
    };
    const file = openAtOnce(means, start, path, flags) ?? openFile(means, start, path, flags);
    return andThen(file, (opened) => ({ fd: this.#table.add(opened) }));
  }

  #read(id: U64, wanted: U64, position: U64 | null, buffer: AnswerBuffer | null): MaybePromise<ReadFileResponse> {
    const file = this.#table.file(id);
    const means = {
      maxBytes: this.#maxReadBytes,
      instantReads: this.#instantReads,
      buffer,
      pool: this.#pool,
      signal: this.#signal,
    };
    return contents.readAtOnce(file, wanted, position, means) ?? contents.read(file, wanted, position, means);
  }

  #seek({ fd, seekFrom }: SeekFileRequest): MaybePromise<U64> {
    const file = this.#table.file(fd);
    return contents.seekAtOnce(file, seekFrom) ?? contents.seek(file, seekFrom, this.#pool);
  }

  #close(id: U64): MaybePromise<void> {
    return this.#table.closeAtOnce(id) ? undefined : this.#table.close(id);
  }

  async #write(id: U64, bytes: Uint8Array, position: U64 | null): Promise<{ readonly writtenAmount: U64 }> {
    return { writtenAmount: await contents.write(this.#table.file(id), bytes, position, { pool: this.#pool, signal: this.#signal }) };
  }

  #status({ path, fd, followSymlink }: XstatRequest): MaybePromise<FileStatus> {
    if (path !== null) {
      const start = fd === null ? "root" : this.#table.directory(fd).fd;
      const last = followSymlink ? "follow" : "name";
      return this.#byPath.statusAtOnce(start, path, last) ?? this.#byPath.status(start, path, last);
    }
    if (fd === null) throw remoteKindError({ kind: "invalidInput" }, "status of nothing");
    const { fd: open } = this.#table.fileOrDirectory(fd);
    return this.#fileSystems.statusAtOnce(open) ?? this.#fileSystems.status(open);
  }

  async #fileSystemOf(id: U64): Promise<FileSystemStats> {
    const { fd, device } = this.#table.fileOrDirectory(id);
    return await this.#pool.run(device, () => fstatfs(fd));
  }

  /** Runs `work`, one call of the pool, on an open file. */
  async #onFile(id: U64, work: (fd: number) => Promise<void>): Promise<null> {
    const { fd, device } = this.#table.file(id);
    return await done(this.#pool.run(device, () => work(fd)));
  }

  async #unlinkAt({ dirfd, pathname, flags }: UnlinkAtRequest): Promise<null> {
    const start = dirfd === null ? "root" : this.#table.directory(dirfd).fd;
    return await done(this.#byPath.remove(start, pathname, flags));
  }

  async #setTimes(id: U64, times: FutimensRequest["times"]): Promise<null> {
    return await this.#onFile(id, async (fd) => {
      const [access, modification] = times === null ? (["now", "now"] as const) : [fileTime(times[0]), fileTime(times[1])];
      await futimens(fd, access, modification);
    });
  }

  async #openStream(id: U64): Promise<{ readonly fd: U64 }> {
    const directory = this.#table.directory(id);
    this.#table.checkRoom();
    return { fd: this.#table.addStream(new EntryStream(this.#pool, await this.#reopen(directory.fd), directory.device)) };
  }

  async #getDents({ remoteFd, bufferSize }: GetDEnts64Request): Promise<GetDEnts64Response> {
    let stream = this.#table.dents(remoteFd);
    if (stream === null) {
      this.#table.checkRoom();
      const { fd, device } = this.#table.directory(remoteFd);
      const self = await this.#fileSystems.status(fd);
      const parent = await this.#byPath.status(fd, "..", "follow").catch(() => self);
      stream = new EntryStream(this.#pool, await this.#reopen(fd), device, [
        { inode: self.inode, name: ".", type: DT_DIR },
        { inode: parent.inode, name: "..", type: DT_DIR },
      ]);
      this.#table.addDents(remoteFd, stream);
    }
    return { fd: remoteFd, ...(await stream.takeSized(bufferSize)) };
  }

  /** A second descriptor of a directory, with a position of its own. */
  #reopen(directoryFd: number): Promise<number> {
    return this.#paths.open(directoryFd, ".", O_RDONLY | O_DIRECTORY, 0);
  }
}

/** Of a request whose response says only that it was done. */
function empty(_: void): AccessFileResponse {
  return {};
}

async function done(work: Promise<void>): Promise<null> {
  await work;
  return null;
}
