// The remote file domain of one session: takes a request of the wire, does it on the target's files, gives the response. It knows nothing of
// connections. What a request may wait for (a FIFO, a slow disk) holds up this session's file requests and nobody else's.

import {
  AT_REMOVEDIR,
  DT_DIR,
  type FileStatus,
  type FileSystemStats,
  type FileTime,
  fstatfs,
  futimens,
  O_DIRECTORY,
  O_RDONLY,
} from "@understudy/native";
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
  Timespec,
  U64,
  UnlinkAtRequest,
  XstatRequest,
} from "@understudy/protocol";
import { remoteIoError, remoteKindError, toResponseError } from "../errors/remoteError.ts";
import type { Log } from "../log/log.ts";
import type { Gauge } from "../metrics/instruments.ts";
import type { PoolShare, ThreadPool } from "../task/threadPool.ts";
import type { AnswerBuffer } from "./answerBuffer.ts";
import * as contents from "./contents.ts";
import { DescriptorTable } from "./descriptorTable.ts";
import { EntryStream } from "./entryStream.ts";
import { EINTR, EINVAL } from "./errnos.ts";
import { FileSystems } from "./fileSystems.ts";
import { InstantAnswers } from "./instantAnswers.ts";
import type { InstantReads } from "./instantReads.ts";
import { openFile, openFlags } from "./openFile.ts";
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
  handle(request: FileRequest, buffer?: AnswerBuffer): FileResponse | undefined | Promise<FileResponse | undefined>;
}

/** Makes the files of one session. The caller disposes them. */
export function createFiles(options: FilesOptions): Files {
  return new SessionFiles(options);
}

const defaultMaxReadBytes = 2 ** 20;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

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
  readonly #instantAnswers: InstantAnswers;
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
    this.#instantAnswers = new InstantAnswers({
      paths: this.#paths,
      fileSystems: this.#fileSystems,
      byPath: this.#byPath,
      table: this.#table,
      instantReads: this.#instantReads,
      maxReadBytes: this.#maxReadBytes,
      fullTimes: this.#fullTimes,
      failure: (request, error) => this.#failure(request, error),
    });
  }

  handle(request: FileRequest, buffer: AnswerBuffer | null = null): FileResponse | undefined | Promise<FileResponse | undefined> {
    const before = this.#underWay;
    const work = before === null ? this.#take(request, buffer) : before.then(() => this.#take(request, buffer));
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
  #take(request: FileRequest, buffer: AnswerBuffer | null): FileResponse | undefined | Promise<FileResponse | undefined> {
    const answer = this.#disposing.signal.aborted ? null : this.#instantAnswers.answer(request, buffer);
    return answer === null ? this.#respond(request, buffer) : answer;
  }

  /** Says which response answers which request, as `InstantAnswers` does for some. */
  async #respond(request: FileRequest, buffer: AnswerBuffer | null): Promise<FileResponse | undefined> {
    const answer = <T>(work: () => Promise<T>): Promise<Result<T, ResponseError>> => this.#answer(request.kind, work);
    switch (request.kind) {
      case "open": {
        const { path, openOptions } = request.value;
        return { kind: "open", value: await answer(() => this.#open(path, openOptions)) };
      }
      case "openRelative": {
        const { relativeFd, path, openOptions } = request.value;
        return { kind: "open", value: await answer(() => this.#openRelative(relativeFd, path, openOptions)) };
      }
      case "read": {
        const { remoteFd, bufferSize } = request.value;
        return { kind: "read", value: await answer(() => this.#read(remoteFd, bufferSize, null, buffer)) };
      }
      case "readLimited": {
        const { remoteFd, bufferSize, startFrom } = request.value;
        return { kind: "readLimited", value: await answer(() => this.#read(remoteFd, bufferSize, startFrom, buffer)) };
      }
      case "write": {
        const { fd, writeBytes } = request.value;
        return { kind: "write", value: await answer(() => this.#write(fd, writeBytes, null)) };
      }
      case "writeLimited": {
        const { remoteFd, startFrom, writeBytes } = request.value;
        return { kind: "writeLimited", value: await answer(() => this.#write(remoteFd, writeBytes, startFrom)) };
      }
      case "seek": {
        const { fd, seekFrom } = request.value;
        const work = async () => ({ resultOffset: await contents.seek(this.#table.file(fd), seekFrom, this.#pool) });
        return { kind: "seek", value: await answer(work) };
      }
      case "close":
        await answer(() => this.#table.close(request.value.fd));
        return undefined;
      case "closeDir":
        await answer(() => this.#table.closeStream(request.value.remoteFd));
        return undefined;
      case "access": {
        const { pathname, mode } = request.value;
        return { kind: "access", value: await answer(async () => empty(await this.#byPath.access(pathname, mode))) };
      }
      case "xstat": {
        const work = async () => ({ metadata: metadata(await this.#status(request.value), this.#fullTimes) });
        return { kind: "xstat", value: await answer(work) };
      }
      case "xstatFs": {
        const work = () => this.#fileSystemOf(request.value.fd);
        return { kind: "xstatFs", value: await answer(async () => ({ metadata: fileSystemMetadata(await work()) })) };
      }
      case "xstatFsV2": {
        const work = () => this.#fileSystemOf(request.value.fd);
        return { kind: "xstatFsV2", value: await answer(async () => ({ metadata: fileSystemMetadataV2(await work()) })) };
      }
      case "statFs": {
        const work = () => this.#byPath.fileSystemOf(request.value.path);
        return { kind: "xstatFs", value: await answer(async () => ({ metadata: fileSystemMetadata(await work()) })) };
      }
      case "statFsV2": {
        const work = () => this.#byPath.fileSystemOf(request.value.path);
        return { kind: "xstatFsV2", value: await answer(async () => ({ metadata: fileSystemMetadataV2(await work()) })) };
      }
      case "readLink":
        return { kind: "readLink", value: await answer(async () => ({ path: await this.#byPath.linkText(request.value.path) })) };
      case "makeDir": {
        const { pathname, mode } = request.value;
        return { kind: "makeDir", value: await answer(() => done(this.#byPath.makeDirectory("root", pathname, mode))) };
      }
      case "makeDirAt": {
        const { dirfd, pathname, mode } = request.value;
        const work = async () => done(this.#byPath.makeDirectory(this.#table.directory(dirfd).fd, pathname, mode));
        return { kind: "makeDir", value: await answer(work) };
      }
      case "removeDir":
        return { kind: "removeDir", value: await answer(() => done(this.#byPath.remove("root", request.value.pathname, AT_REMOVEDIR))) };
      case "unlink":
        return { kind: "unlink", value: await answer(() => done(this.#byPath.remove("root", request.value.pathname, 0))) };
      case "unlinkAt":
        return { kind: "unlink", value: await answer(() => this.#unlinkAt(request.value)) };
      case "rename": {
        const { oldPath, newPath } = request.value;
        return { kind: "rename", value: await answer(() => done(this.#byPath.rename(oldPath, newPath))) };
      }
      case "fdOpenDir":
        return { kind: "openDir", value: await answer(() => this.#openStream(request.value.remoteFd)) };
      case "readDir": {
        const work = async () => ({ direntry: (await this.#table.stream(request.value.remoteFd).take(1))[0] ?? null });
        return { kind: "readDir", value: await answer(work) };
      }
      case "readDirBatch": {
        const { remoteFd, amount } = request.value;
        const work = async () => ({ fd: remoteFd, dirEntries: await this.#table.stream(remoteFd).take(amount) });
        return { kind: "readDirBatch", value: await answer(work) };
      }
      case "getDEnts64":
        return { kind: "getDEnts64", value: await answer(() => this.#getDents(request.value)) };
      case "ftruncate": {
        const { fd, length } = request.value;
        return { kind: "ftruncate", value: await answer(() => done(contents.truncate(this.#table.file(fd), length, this.#pool))) };
      }
      case "futimens": {
        const { fd, times } = request.value;
        return { kind: "futimens", value: await answer(() => this.#setTimes(fd, times)) };
      }
      case "fchown": {
        const { fd, owner, group } = request.value;
        const work = () => this.#onFile(fd, (file) => poolCalls.changeOwner(file, owner, group));
        return { kind: "fchown", value: await answer(work) };
      }
      case "fchmod": {
        const { fd, mode } = request.value;
        const work = () => this.#onFile(fd, (file) => poolCalls.changeMode(file, mode & permissionBits));
        return { kind: "fchmod", value: await answer(work) };
      }
    }
  }

  async #answer<T>(request: FileRequest["kind"], work: () => Promise<T>): Promise<Result<T, ResponseError>> {
    try {
      // After disposal nothing must be opened that nobody would close.
      if (this.#disposing.signal.aborted) throw remoteIoError(EINTR, "the session has ended");
      return { kind: "ok", value: await work() };
    } catch (error) {
      return this.#failure(request, error);
    }
  }

  #failure(request: FileRequest["kind"], error: unknown): Result<never, ResponseError> {
    if (this.#log.isDebug) this.#log.debug("a file request failed", { request, error: String(error) });
    return { kind: "err", value: toResponseError(error) };
  }

  async #open(path: string, options: OpenOptionsInternal): Promise<{ readonly fd: U64 }> {
    const flags = openFlags(options);
    checkAbsolute(path);
    return await this.#openAt("root", path, flags);
  }

  async #openRelative(id: U64, path: string, options: OpenOptionsInternal): Promise<{ readonly fd: U64 }> {
    const directory = this.#table.directory(id);
    return await this.#openAt(directory.fd, path, openFlags(options));
  }

  async #openAt(start: Start, path: string, flags: number): Promise<{ readonly fd: U64 }> {
    this.#table.checkRoom();
    const means = { paths: this.#paths, fileSystems: this.#fileSystems, pool: this.#pool, signal: this.#signal };
    return { fd: this.#table.add(await openFile(means, start, path, flags)) };
  }

  async #read(id: U64, wanted: U64, position: U64 | null, buffer: AnswerBuffer | null): Promise<ReadFileResponse> {
    const waits = { pool: this.#pool, signal: this.#signal };
    const means = { maxBytes: this.#maxReadBytes, instantReads: this.#instantReads, buffer, ...waits };
    return await contents.read(this.#table.file(id), wanted, position, means);
  }

  async #write(id: U64, bytes: Uint8Array, position: U64 | null): Promise<{ readonly writtenAmount: U64 }> {
    return { writtenAmount: await contents.write(this.#table.file(id), bytes, position, { pool: this.#pool, signal: this.#signal }) };
  }

  async #status({ path, fd, followSymlink }: XstatRequest): Promise<FileStatus> {
    if (path === null) {
      if (fd === null) throw remoteKindError({ kind: "invalidInput" }, "status of nothing");
      return await this.#fileSystems.status(this.#table.fileOrDirectory(fd).fd);
    }
    const start = fd === null ? "root" : this.#table.directory(fd).fd;
    return await this.#byPath.status(start, path, followSymlink ? "follow" : "name");
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

function fileTime({ tvSec, tvNsec }: Timespec): FileTime {
  if (tvNsec === UTIME_NOW) return "now";
  if (tvNsec === UTIME_OMIT) return "omit";
  // Refused by the kernel as well, where they can be handed to it.
  if (!Number.isSafeInteger(tvNsec)) throw remoteIoError(EINVAL, "futimens");
  return { seconds: tvSec, nanoseconds: Number(tvNsec) };
}

/** Of a request whose response says only that it was done. */
function empty(_: void): AccessFileResponse {
  return {};
}

async function done(work: Promise<void>): Promise<null> {
  await work;
  return null;
}
