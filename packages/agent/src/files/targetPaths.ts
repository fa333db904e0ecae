// Finds files of the target by path. The kernel does the finding, with openat2(2), and confines it: nothing outside the target's root is
// ever reached, whatever links and ".." a path holds and however the target changes them meanwhile. Where that call is missing, or while
// look-ups of whole paths are stuck, `agentWalk.ts` does the same in steps; what is said of RESOLVE_* below holds for it, too.
//
// Absolute paths, and paths relative to the root, are resolved with RESOLVE_IN_ROOT at the root's descriptor.
//
// Paths relative to an open directory cannot be: RESOLVE_IN_ROOT at its descriptor would take the directory for the root, so that its
// absolute links and ".." would end in the wrong place. They are resolved with RESOLVE_BENEATH at the directory's descriptor first. Where
// that succeeds the answer is that of openat(2), also for a directory that was moved or deleted since. It fails with EXDEV exactly when the
// path leaves the directory by "..", an absolute link or a magic link. Then the directory's place is taken from the kernel (/proc/self/fd),
// put in front of the path and the whole resolved at the root with RESOLVE_IN_ROOT. The place is text and may be outdated at once: it counts
// only when it leads to the same directory (device, inode, mount) both before and after, else it is taken again. Even then it is only ever
// resolved inside the root. A directory that has no place below the root any more gives ENOENT.
//
// Magic links (/proc/<pid>/root, /proc/self/fd/1, thus /dev/stdout) fail with EXDEV.

import { O_DIRECTORY, O_NOFOLLOW, O_PATH, openat2, RESOLVE_BENEATH, RESOLVE_IN_ROOT, SystemCallError } from "@understudy/native";
import { remoteIoError, remoteKindError } from "../errors/remoteError.ts";
import { type PoolShare, ThreadPool } from "../task/threadPool.ts";
import { type Bounds, walk } from "./agentWalk.ts";
import { EACCES, EAGAIN, EINVAL, ENOENT, ENOSYS, EPERM, errnoOf, EXDEV } from "./errnos.ts";
import { closeInstantly, descriptorPath, locateCached, statusAtHand } from "./instantCalls.ts";
import { onFileSystemOf } from "./poolCalls.ts";
import * as poolCalls from "./poolCalls.ts";

/** Tries of one resolution that the target's renames disturb (EAGAIN), and of one place that moves. */
const triesMax = 16;

/** Where a relative path starts: an open directory's descriptor, or "root". */
export type Start = number | "root";

/** How the last component of a path is taken: a link there is followed or named itself. */
export type LastLink = "follow" | "name";

/** The name of a path in its directory, for system calls that act on names. */
export interface Name {
  /** O_PATH descriptor of the directory; the caller's to close. */
  readonly directoryFd: number;
  /** The last component with the slashes that followed it; no slash is inside. Empty for an empty path, "/" for the root. */
  readonly name: string;
}

/**
 * Who goes through the components of a path. The agent does it where the kernel cannot do it confined; nobody where there is no root to begin at, and
 * every path is refused with EACCES.
 */
export type Walker = "kernel" | "agent" | "nobody";

/**
 * Whether this kernel lets this process use openat2(2), found out by using it. A seccomp profile that does not know the call may refuse it
 * with EPERM.
 */
export async function findWalker(rootFd: number): Promise<Walker> {
  try {
    await poolCalls.close(await openat2(rootFd, ".", O_PATH, 0, RESOLVE_IN_ROOT));
    return "kernel";
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === ENOSYS || errno === EPERM) return "agent";
    throw error;
  }
}

export interface TargetPathsOptions {
  /** Default: one of its own, which waits for nobody. */
  readonly pool?: PoolShare;
  /** Default `kernel`. */
  readonly walker?: Walker;
}

/** Paths below one root, whose descriptor stays the caller's. */
export class TargetPaths {
  readonly #rootFd: number;
  readonly #pool: PoolShare;
  readonly #walker: Walker;

  constructor(rootFd: number, { pool = new ThreadPool().share(), walker = "kernel" }: TargetPathsOptions = {}) {
    this.#rootFd = rootFd;
    this.#pool = pool;
    this.#walker = walker;
  }

  /** As `locate`, out of what the kernel knows at this moment; null when it would have to look. Throws what `locate` would. */
  locateAtOnce(start: Start, path: string, last: LastLink = "follow"): number | null {
    if (this.#walker !== "kernel") return null;
    checkPath(path);
    const isAtRoot = start === "root" || path.startsWith("/");
    const flags = last === "name" ? O_NOFOLLOW : 0;
    try {
      return locateIfCached(isAtRoot ? this.#rootFd : start, path, flags, isAtRoot ? RESOLVE_IN_ROOT : RESOLVE_BENEATH);
    } catch (error) {
      // It leaves the directory, and that is looked at in several steps.
      if (!isAtRoot && errnoOf(error) === EXDEV) return null;
      throw error;
    }
  }

  /** Names a file by an O_PATH descriptor, which the caller closes; opens nothing. */
  async locate(start: Start, path: string, last: LastLink = "follow", flags = 0): Promise<number> {
    const allFlags = O_PATH | flags | (last === "name" ? O_NOFOLLOW : 0);
    return await this.#resolve(start, path, allFlags, 0);
  }

  /**
   * Opens a file with `flags` of open(2); the caller closes the descriptor. Without O_NONBLOCK a FIFO would hold a thread.
   *
   * @param mode permissions of a new file, 0 without O_CREAT.
   * @throws SystemCallError EAGAIN also where links or leases keep changing under it.
   */
  async open(start: Start, path: string, flags: number, mode: number): Promise<number> {
    return await this.#resolve(start, path, flags, mode);
  }

  /** Splits off the last component and finds the directory of the rest, so that the name itself can be acted on. */
  async name(start: Start, path: string): Promise<Name> {
    const { directory, name } = splitPath(path);
    checkPath(name);
    const directoryFd = await this.locate(start, directory, "follow", O_DIRECTORY);
    return { directoryFd, name };
  }

  async #resolve(start: Start, path: string, flags: number, mode: number): Promise<number> {
    if (this.#walker === "nobody") throw new SystemCallError(EACCES, "open");
    checkPath(path);
    if (start === "root" || path.startsWith("/")) return await this.#find(this.#rootFd, path, flags, mode, "root");
    // What begins with ".." leaves the directory for certain; the kernel need not be asked.
    if (path !== ".." && !path.startsWith("../")) {
      try {
        return await this.#find(start, path, flags, mode, "beneath");
      } catch (error) {
        if (errnoOf(error) !== EXDEV) throw error;
      }
    }
    return await this.#resolveByPlace(start, path, flags, mode);
  }

  async #resolveByPlace(directoryFd: number, path: string, flags: number, mode: number): Promise<number> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const place = await this.#placeOf(directoryFd);
      if (place === null) break;
      const found = await attempt(this.#find(this.#rootFd, `${place}/${path}`, flags, mode, "root"));
      if ((await this.#placeOf(directoryFd)) === place) {
        if (found.kind === "failed") throw found.error;
        return found.fd;
      }
      if (found.kind === "found") await onFileSystemOf(this.#pool, found.fd, () => poolCalls.close(found.fd));
    }
    throw remoteIoError(ENOENT, "the directory has no place below the target's root");
  }

  async #find(startFd: number, path: string, flags: number, mode: number, bounds: Bounds): Promise<number> {
    if (this.#walker === "kernel") {
      const how = bounds === "root" ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
      const cached = (flags & O_PATH) === 0 ? null : locateIfCached(startFd, path, flags, how);
      if (cached !== null) return cached;
      if (this.#pool.mayLookUp) return await this.#lookUp(startFd, path, flags, mode, how);
    }
    return await walk({ startFd, path, bounds, flags, mode }, this.#pool);
  }

  async #lookUp(startFd: number, path: string, flags: number, mode: number, how: number): Promise<number> {
    // EAGAIN: a ".." raced with a rename, and each try is a turn of the event loop. Opening, it may also be a lease, for which the caller
    // waits.
    const tries = (flags & O_PATH) !== 0 || path.includes("..") ? triesMax : 1;
    for (let count = 1; ; count += 1) {
      try {
        return await this.#pool.run(null, () => openat2(startFd, path, flags, mode, how));
      } catch (error) {
        if (errnoOf(error) !== EAGAIN || count >= tries) throw error;
      }
    }
  }

  /**
   * Path of an open file from the target's root, as the kernel knows it at this moment: "" or text with a leading slash; null for a file
   * that is not below the root. A hint: it may be outdated, and ends in " (deleted)" for a file without a name.
   */
  placeText(fd: number): string | null {
    const rootPath = descriptorPath(this.#rootFd);
    const path = descriptorPath(fd);
    if (path === rootPath) return "";
    const prefix = rootPath === "/" ? "" : rootPath;
    return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : null;
  }

  /** The same for a directory, if it leads there; else null. */
  async #placeOf(directoryFd: number): Promise<string | null> {
    const place = this.placeText(directoryFd);
    if (place === null) return null;
    const found = await attempt(this.locate("root", `/${place}`, "follow", O_DIRECTORY));
    if (found.kind === "failed") return null;
    try {
      const [one, other] = [statusAtHand(found.fd), statusAtHand(directoryFd)];
      const isSame = one.device === other.device && one.inode === other.inode && one.mount === other.mount;
      return isSame ? place : null;
    } finally {
      closeInstantly(found.fd);
    }
  }
}

/** Null for what is not in the kernel's cache, and on a kernel that cannot look only there. */
function locateIfCached(startFd: number, path: string, flags: number, how: number): number | null {
  try {
    return locateCached(startFd, path, flags, how);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== EAGAIN && errno !== EINVAL) throw error;
    return null;
  }
}

type Attempt = { readonly kind: "found"; readonly fd: number } | { readonly kind: "failed"; readonly error: unknown };

async function attempt(opening: Promise<number>): Promise<Attempt> {
  try {
    return { kind: "found", fd: await opening };
  } catch (error) {
    return { kind: "failed", error };
  }
}

/** A zero byte would end the path early; the reference refuses it before any system call, so there is no errno. */
function checkPath(path: string): void {
  if (path.includes("\0")) throw remoteKindError({ kind: "invalidInput" }, "path with a zero byte");
}

/**
 * Cuts a path before its last component. "." and ".." there stay names: what acts on names refuses them with an errno of its own.
 */
export function splitPath(path: string): { readonly directory: string; readonly name: string } {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end -= 1;
  // Only slashes: the root itself. Nothing at all: a name that does not exist.
  if (end === 0) return { directory: path === "" ? "." : "/", name: path === "" ? "" : "/" };
  const start = path.lastIndexOf("/", end - 1) + 1;
  return { directory: start === 0 ? "." : path.slice(0, start), name: path.slice(start) };
}
