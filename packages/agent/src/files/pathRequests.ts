// What a client asks of a file by its path rather than by an open descriptor: status, access, links, and changes of names. The file, or the
// directory of the name, is located first, and the call made on that descriptor, so that nothing can be swapped in between.

import {
  access,
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  faccessat2,
  type FileStatus,
  type FileSystemStats,
  fstatfs,
  mkdirat,
  readlinkat,
  renameat2,
  S_IFLNK,
  S_IFMT,
  unlinkat,
} from "@understudy/native";
import { RemoteError, remoteIoError, remoteKindError } from "../errors/remoteError.ts";
import type { PoolShare } from "../task/threadPool.ts";
import { EINVAL, ENOENT, ENOSYS, EPERM, errnoOf } from "./errnos.ts";
import type { FileSystems } from "./fileSystems.ts";
import { closeInstantly } from "./instantCalls.ts";
import { onFileSystemOf } from "./poolCalls.ts";
import type { LastLink, Start, TargetPaths } from "./targetPaths.ts";

const accessModes = 7;
export const permissionBits = 0o7777;

/** Requests by path of one session. Each throws a RemoteError or the error of a system call. */
export class PathRequests {
  readonly #paths: TargetPaths;
  readonly #fileSystems: FileSystems;
  readonly #pool: PoolShare;

  constructor(paths: TargetPaths, fileSystems: FileSystems, pool: PoolShare) {
    this.#paths = paths;
    this.#fileSystems = fileSystems;
    this.#pool = pool;
  }

  /** access(2) with the effective ids. */
  async access(path: string, mode: number): Promise<void> {
    checkAbsolute(path);
    await this.#located("root", path, "follow", (fd) => canAccess(fd, mode & accessModes));
  }

  /** As `status`, where nothing needs to be waited for; null where something might. */
  statusAtOnce(start: Start, path: string, last: LastLink): FileStatus | null {
    checkStatusPath(start, path);
    if (start !== "root" && path === "") return this.#fileSystems.statusAtOnce(start);
    const fd = this.#paths.locateAtOnce(start, path, last);
    if (fd === null) return null;
    try {
      return this.#fileSystems.statusAtOnce(fd);
    } finally {
      closeInstantly(fd);
    }
  }

  /** @param start "root" takes absolute paths only. */
  async status(start: Start, path: string, last: LastLink): Promise<FileStatus> {
    checkStatusPath(start, path);
    // The wire has no AT_EMPTY_PATH: who sends this asks for the directory itself.
    if (start !== "root" && path === "") return await this.#fileSystems.status(start);
    return await this.#at(start, path, last, (fd) => this.#fileSystems.status(fd));
  }

  async fileSystemOf(path: string): Promise<FileSystemStats> {
    return await this.#located("root", path, "follow", fstatfs);
  }

  /** The text of a link, not UTF-8 shown as U+FFFD. */
  async linkText(path: string): Promise<string> {
    if (path !== "" && !path.startsWith("/")) {
      throw new RemoteError("link of a relative path", { kind: "stripPrefix", value: "prefix not found" });
    }
    return await this.#at("root", path, "name", async (fd) => {
      const { mode } = await this.#fileSystems.status(fd);
      if ((mode & S_IFMT) !== S_IFLNK) throw remoteIoError(EINVAL, "readlink");
      return (await onFileSystemOf(this.#pool, fd, () => readlinkat(fd, ""))).toString("utf8");
    });
  }

  async makeDirectory(start: Start, path: string, mode: number): Promise<void> {
    await this.#named(start, path, (fd, name) => mkdirat(fd, name, mode & permissionBits));
  }

  /** @param flags AT_REMOVEDIR for a directory, else 0. */
  async remove(start: Start, path: string, flags: number): Promise<void> {
    if (flags !== 0 && flags !== AT_REMOVEDIR) throw remoteIoError(EINVAL, "unlinkat");
    await this.#named(start, path, (fd, name) => unlinkat(fd, name, flags));
  }

  async rename(oldPath: string, newPath: string): Promise<void> {
    const old = await this.#paths.name("root", oldPath);
    try {
      await this.#named("root", newPath, (fd, name) => renameat2(old.directoryFd, old.name, fd, name, 0));
    } finally {
      closeInstantly(old.directoryFd);
    }
  }

  /** Runs `work` on an O_PATH descriptor of the file at a path. */
  async #at<T>(start: Start, path: string, last: LastLink, work: (fd: number) => Promise<T>): Promise<T> {
    const fd = await this.#paths.locate(start, path, last);
    try {
      return await work(fd);
    } finally {
      closeInstantly(fd);
    }
  }

  /** The same for one call of the pool. */
  async #located<T>(start: Start, path: string, last: LastLink, work: (fd: number) => Promise<T>): Promise<T> {
    return await this.#at(start, path, last, (fd) => onFileSystemOf(this.#pool, fd, () => work(fd)));
  }

  /** The same on the directory and the last name of a path, for one call of the pool. */
  async #named<T>(start: Start, path: string, work: (directoryFd: number, name: string) => Promise<T>): Promise<T> {
    const { directoryFd, name } = await this.#paths.name(start, path);
    try {
      return await onFileSystemOf(this.#pool, directoryFd, () => work(directoryFd, name));
    } finally {
      closeInstantly(directoryFd);
    }
  }
}

function checkStatusPath(start: Start, path: string): void {
  if (start === "root" && path !== "" && !path.startsWith("/"))
    throw remoteKindError({ kind: "invalidInput" }, "status of a relative path");
}

/** Paths of opens and access checks are absolute; a relative one names nothing, for the client has no working directory here. */
export function checkAbsolute(path: string): void {
  if (!path.startsWith("/")) throw remoteIoError(ENOENT, "relative path");
}

/** Before Linux 5.8, and where a seccomp profile does not know the newer call, the older one asks through the descriptor's place in procfs. */
async function canAccess(fd: number, mode: number): Promise<void> {
  try {
    await faccessat2(fd, "", mode, AT_EACCESS | AT_EMPTY_PATH);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== ENOSYS && errno !== EPERM) throw error;
    await access(`/proc/self/fd/${fd}`, mode);
  }
}
