// Opens one file for a client, of any type, without ever holding a thread of the pool: all opens carry O_NONBLOCK, and where open(2)
// would wait for the other end of a FIFO or for a lease, it is tried again after growing rests.

import {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  pipeHasWriter,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
} from "@understudy/native";
import type { OpenOptionsInternal } from "@understudy/protocol";
import { remoteIoError, remoteKindError } from "../errors/remoteError.ts";
import type { PoolShare } from "../task/threadPool.ts";
import { EACCES, EAGAIN, ENXIO, errnoOf } from "./errnos.ts";
import { type FileSystemKind, type FileSystems, isOfThisMachine } from "./fileSystems.ts";
import { GrowingRests } from "./growingRests.ts";
import { closeInstantly, reopenInstantly, statusAtHand } from "./instantCalls.ts";
import { type InstantReading, instantReading } from "./instantReads.ts";
import type { InstantTrust } from "./instantTrust.ts";
import { isOwnProcessFile } from "./ownProcess.ts";
import * as poolCalls from "./poolCalls.ts";
import type { Start, TargetPaths } from "./targetPaths.ts";

/** An open file or directory. The descriptor belongs to whoever holds this. */
export interface OpenedFile {
  readonly fd: number;
  readonly type: "regular" | "directory" | "other";
  /** Number of its file system. */
  readonly device: number;
  readonly fileSystem: FileSystemKind;
  readonly isReadOnly: boolean;
  /** How it may be read on the event loop; whoever reads it changes this. */
  instantReading: InstantReading;
}

/** Permissions of a new file before the umask, as the reference has them. */
const newFileMode = 0o666;
/** The kernel takes a lease away from its holder after /proc/sys/fs/lease-break-time, 45 s by default. */
const leaseWaitMaxMs = 60_000;

/**
 * Flags of open(2) for the options of a request.
 *
 * @throws RemoteError without an errno for combinations that mean nothing, since no system call is made.
 */
export function openFlags(options: OpenOptionsInternal): number {
  const { read, write, append, truncate, create, createNew } = options;
  const canWrite = write || append;
  if (!read && !canWrite) throw remoteKindError({ kind: "invalidInput" }, "open for neither reading nor writing");
  if (!canWrite && (truncate || create || createNew)) {
    throw remoteKindError({ kind: "invalidInput" }, "creation or truncation without writing");
  }
  if (append && truncate && !createNew) throw remoteKindError({ kind: "invalidInput" }, "truncation while appending");
  const access = canWrite ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  const creation = createNew ? O_CREAT | O_EXCL : (create ? O_CREAT : 0) | (truncate ? O_TRUNC : 0);
  return access | creation | (append ? O_APPEND : 0);
}

/** What an open on the event loop needs beside the path. */
export interface InstantOpenMeans {
  readonly paths: TargetPaths;
  readonly fileSystems: FileSystems;
  /** Whether anything may be opened on the event loop. */
  readonly trust: InstantTrust;
}

/** What an open needs beside the path. */
export interface OpenMeans {
  readonly paths: TargetPaths;
  readonly fileSystems: FileSystems;
  readonly pool: PoolShare;
  /** Its abort ends the waits. */
  readonly signal: AbortSignal;
}

/**
 * As `openFile`, for a regular file that is read, without a turn through the pool, which takes several times as long as everything else; null where that
 * could wait.
 */
export function openAtOnce({ paths, fileSystems, trust }: InstantOpenMeans, start: Start, path: string, flags: number): OpenedFile | null {
  if (flags !== O_RDONLY || !trust.isOn) return null;
  const locatedFd = paths.locateAtOnce(start, path);
  if (locatedFd === null) return null;
  try {
    const { mode, device } = statusAtHand(locatedFd);
    const fileSystem = fileSystems.knownKindOf(device);
    if ((mode & S_IFMT) !== S_IFREG || fileSystem === null || !isOfThisMachine(fileSystem)) return null;
    const fd = trust.watch(() => reopenInstantly(locatedFd, flags));
    return { fd, type: "regular", device, fileSystem, isReadOnly: true, instantReading: instantReading("regular", fileSystem) };
  } catch {
    // A lease, or a failure that is the pool's to report.
    return null;
  } finally {
    closeInstantly(locatedFd);
  }
}

/** Opens as open(2) would. The caller checks its limits before and closes the file after. */
export async function openFile(means: OpenMeans, start: Start, path: string, flags: number): Promise<OpenedFile> {
  const { paths, fileSystems, pool, signal } = means;
  const fd = await openWhenPossible(paths, start, path, flags, signal);
  const { mode, device } = statusAtHand(fd);
  try {
    const type = mode & S_IFMT;
    const access = flags & (O_WRONLY | O_RDWR);
    if (type === S_IFIFO && access === O_RDONLY) await waitForWriter(pool, device, fd, signal);
    const fileSystem = await fileSystems.kindOf(device, fd);
    if (fileSystem === "virtual" && type === S_IFREG && (await isOwnProcessFile(paths, pool, fd))) {
      throw remoteIoError(EACCES, "file of the agent's own process");
    }
    const kind = type === S_IFREG ? "regular" : type === S_IFDIR ? "directory" : "other";
    const isReadOnly = access === O_RDONLY;
    return { fd, type: kind, device, fileSystem, isReadOnly, instantReading: instantReading(kind, fileSystem) };
  } catch (error) {
    await pool.runToEnd(device, () => poolCalls.close(fd));
    throw error;
  }
}

async function openWhenPossible(paths: TargetPaths, start: Start, path: string, flags: number, signal: AbortSignal): Promise<number> {
  const rests = new GrowingRests(signal);
  const mode = (flags & O_CREAT) === 0 ? 0 : newFileMode;
  for (;;) {
    try {
      return await paths.open(start, path, flags | O_NONBLOCK | O_NOCTTY, mode);
    } catch (error) {
      const errno = errnoOf(error);
      const isLeased = errno === EAGAIN && rests.waitedMs < leaseWaitMaxMs;
      if (!isLeased && !(errno === ENXIO && (await isFifo(paths, start, path)))) throw error;
    }
    await rests.rest();
  }
}

async function isFifo(paths: TargetPaths, start: Start, path: string): Promise<boolean> {
  const fd = await paths.locate(start, path);
  try {
    return (statusAtHand(fd).mode & S_IFMT) === S_IFIFO;
  } finally {
    closeInstantly(fd);
  }
}

/** Until somebody writes to the FIFO, or wrote to it since it was opened here. One that only opened and closed it is not seen. */
async function waitForWriter(pool: PoolShare, device: number, fd: number, signal: AbortSignal): Promise<void> {
  const rests = new GrowingRests(signal);
  while (!(await pool.run(device, () => pipeHasWriter(fd)))) await rests.rest();
}
