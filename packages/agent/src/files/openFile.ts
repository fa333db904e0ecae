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
import { EACCES, EAGAIN, ENXIO, errnoOf } from "./errnos.ts";
import type { FileSystemKind, FileSystems } from "./fileSystems.ts";
import { GrowingRests } from "./growingRests.ts";
import { closeInstantly, statusAtHand } from "./instantCalls.ts";
import { type InstantReading, instantReading } from "./instantReads.ts";
import { isOwnProcessFile } from "./ownProcess.ts";
import * as poolCalls from "./poolCalls.ts";
import type { Start, TargetPaths } from "./targetPaths.ts";

/** An open file or directory. The descriptor belongs to whoever holds this. */
export interface OpenedFile {
  readonly fd: number;
  readonly type: "regular" | "directory" | "other";
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

/** Opens as open(2) would; `signal` ends the waits. The caller checks its limits before and closes the file after. */
export async function openFile(
  paths: TargetPaths,
  fileSystems: FileSystems,
  start: Start,
  path: string,
  flags: number,
  signal: AbortSignal,
): Promise<OpenedFile> {
  const fd = await openWhenPossible(paths, start, path, flags, signal);
  try {
    const { mode, device } = statusAtHand(fd);
    const type = mode & S_IFMT;
    const access = flags & (O_WRONLY | O_RDWR);
    if (type === S_IFIFO && access === O_RDONLY) await waitForWriter(fd, signal);
    const fileSystem = await fileSystems.kindOf(device, fd);
    if (fileSystem === "virtual" && type === S_IFREG && (await isOwnProcessFile(paths, fd))) {
      throw remoteIoError(EACCES, "file of the agent's own process");
    }
    const kind = type === S_IFREG ? "regular" : type === S_IFDIR ? "directory" : "other";
    return { fd, type: kind, fileSystem, isReadOnly: access === O_RDONLY, instantReading: instantReading(kind, fileSystem) };
  } catch (error) {
    await poolCalls.close(fd);
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
async function waitForWriter(fd: number, signal: AbortSignal): Promise<void> {
  const rests = new GrowingRests(signal);
  while (!(await pipeHasWriter(fd))) await rests.rest();
}
