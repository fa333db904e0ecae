// Finds a file by path in steps of one component each, for where openat2(2) is missing (before Linux 5.6, or a seccomp profile that does not
// know it) or must not be used (see `task/threadPool.ts`). The results are those of openat2 with RESOLVE_IN_ROOT or RESOLVE_BENEATH.
//
// What confines it: each step asks the kernel for one name in a directory that is held by descriptor, never following a link, and ".." goes
// back to the descriptor of the directory before, not to where that directory lies by now. So the walk is always at a directory that it
// entered from the start by names alone, whatever is renamed meanwhile. Link texts are read from the link's own descriptor.
//
// Differences: magic links are known by their place in procfs only; ".." after a rename leads where the walk came from; a path may go
// through no more than `depthMax` directories below its start.

import {
  fstatfs,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  openat,
  readlinkat,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  SystemCallError,
  type FileStatus,
} from "@understudy/native";
import type { PoolShare } from "../task/threadPool.ts";
import { EACCES, EAGAIN, EEXIST, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, errnoOf, EXDEV } from "./errnos.ts";
import { closeInstantly, statusAtHand } from "./instantCalls.ts";

/** Links that one walk follows (MAXSYMLINKS of the kernel). */
const linksMax = 40;
/** Bytes of a path, its final zero included (PATH_MAX). */
const pathMaxBytes = 4096;
/** Directories that one walk holds open. */
const depthMax = 256;
/** Tries of a last component that changes between two looks. */
const triesMax = 16;

const procMagic = 0x9fa0n;
/** Links of procfs that are ordinary text have numbers from here on; those below belong to processes and jump (PROC_DYNAMIC_FIRST). */
const procTextLinkFirst = 0xf0000000;
/** A directory in which everybody may make names and nobody but the owner remove them. */
const stickyForAll = 0o1002;

/** What the walk may not leave: "root": the start is the root of absolute paths and links. "beneath": leaving fails with EXDEV. */
export type Bounds = "root" | "beneath";

export interface WalkedPath {
  /** Directory where the path starts, and which it cannot leave. It stays the caller's. */
  readonly startFd: number;
  readonly path: string;
  readonly bounds: Bounds;
  /** Flags of open(2). */
  readonly flags: number;
  /** Permissions of a new file, 0 without O_CREAT. */
  readonly mode: number;
}

/** @returns a descriptor, which the caller closes. @throws SystemCallError as openat2(2). */
export async function walk(path: WalkedPath, pool: PoolShare): Promise<number> {
  const walked = new Walk(path, pool);
  try {
    return await walked.toEnd();
  } finally {
    walked.closeAll();
  }
}

interface Directory {
  readonly fd: number;
  /** The file system that is asked for its names. */
  readonly device: number;
}

/** The next name of what is left of a path, and what follows it: nothing, or text with a leading slash. */
interface Step {
  readonly name: string;
  readonly rest: string;
  readonly isLast: boolean;
  /** The last name was followed by slashes, so it must be a directory. */
  readonly hasSlash: boolean;
}

class Walk {
  readonly #pool: PoolShare;
  readonly #flags: number;
  readonly #mode: number;
  readonly #isBeneath: boolean;
  readonly #start: Directory;
  /** The way from the start to where the walk is. */
  readonly #entered: Directory[] = [];
  /** What is left to walk, one character a byte. */
  #left: string;
  #links = 0;

  constructor({ startFd, path, bounds, flags, mode }: WalkedPath, pool: PoolShare) {
    this.#pool = pool;
    this.#flags = flags;
    this.#mode = mode;
    this.#isBeneath = bounds === "beneath";
    this.#start = directoryOf(startFd);
    this.#left = Buffer.from(path, "utf8").toString("latin1");
  }

  get #here(): Directory {
    return this.#entered.at(-1) ?? this.#start;
  }

  async toEnd(): Promise<number> {
    if (this.#left === "") throw failure(ENOENT);
    if (this.#left.length >= pathMaxBytes) throw failure(ENAMETOOLONG);
    if (this.#left.startsWith("/")) this.#goToRoot();
    for (;;) {
      const step = nextStep(this.#left);
      if (step === null) return await this.#openHere();
      this.#left = step.rest;
      if (step.name === ".") continue;
      if (step.name === "..") this.#leave();
      else if (!step.isLast) await this.#enter(step);
      else {
        const found = await this.#last(step);
        if (found !== null) return found;
      }
    }
  }

  closeAll(): void {
    for (const { fd } of this.#entered.splice(0)) closeInstantly(fd);
  }

  #goToRoot(): void {
    if (this.#isBeneath) throw failure(EXDEV);
    this.closeAll();
  }

  #leave(): void {
    const left = this.#entered.pop();
    if (left !== undefined) closeInstantly(left.fd);
    else if (this.#isBeneath) throw failure(EXDEV);
  }

  /** Goes into a directory, or to what a link in its place says. */
  async #enter(step: Step): Promise<void> {
    try {
      return this.#push(await this.#open(step.name, O_PATH | O_NOFOLLOW | O_DIRECTORY));
    } catch (error) {
      if (errnoOf(error) !== ENOTDIR) throw error;
    }
    const fd = await this.#open(step.name, O_PATH | O_NOFOLLOW);
    await this.#enterLocated(step, fd, statusAtHand(fd));
  }

  /** The same for what was located already; takes the descriptor over. */
  async #enterLocated(step: Step, fd: number, status: FileStatus): Promise<void> {
    if (isType(status, S_IFDIR)) return this.#push(fd);
    try {
      if (!isType(status, S_IFLNK)) throw failure(ENOTDIR);
      await this.#follow(step, fd, status);
    } finally {
      closeInstantly(fd);
    }
  }

  /** Opens the last name of the path. Null when that was a link or a directory, which was entered: what is left then is the rest of the way. */
  async #last(step: Step): Promise<number | null> {
    const isCreating = (this.#flags & O_CREAT) !== 0;
    if (step.hasSlash || (this.#flags & O_DIRECTORY) !== 0) {
      if (isCreating) throw failure(EISDIR);
      // As a directory, a link there is followed in any case but this: naming what stands there without a slash behind it.
      if (step.hasSlash || (this.#flags & O_NOFOLLOW) === 0) {
        await this.#enter(step);
        return null;
      }
    }
    for (let tries = 0; tries < triesMax; tries += 1) {
      const found = isCreating ? await this.#create(step) : await this.#openLocated(step);
      if (found !== "changed") return found;
    }
    throw failure(EAGAIN);
  }

  async #create(step: Step): Promise<number | null | "changed"> {
    try {
      return await this.#open(step.name, this.#flags | O_NOFOLLOW, this.#mode);
    } catch (error) {
      if (errnoOf(error) !== ELOOP || (this.#flags & O_NOFOLLOW) !== 0) throw error;
    }
    return await this.#locateLink(step);
  }

  async #locateLink(step: Step): Promise<null | "changed"> {
    const fd = await this.#open(step.name, O_PATH | O_NOFOLLOW).catch((error: unknown) => {
      if (errnoOf(error) === ENOENT) return null;
      throw error;
    });
    if (fd === null) return "changed";
    try {
      const status = statusAtHand(fd);
      if (!isType(status, S_IFLNK)) return "changed";
      await this.#follow(step, fd, status);
      return null;
    } finally {
      closeInstantly(fd);
    }
  }

  async #openLocated(step: Step): Promise<number | null | "changed"> {
    const isNamed = (this.#flags & O_NOFOLLOW) !== 0;
    const fd = await this.#open(step.name, O_PATH | O_NOFOLLOW | (this.#flags & O_DIRECTORY));
    const status = statusAtHand(fd);
    const isLink = isType(status, S_IFLNK);
    if ((this.#flags & O_PATH) !== 0 && (isNamed || !isLink)) return fd;
    if (isType(status, S_IFDIR) || (isLink && !isNamed)) {
      await this.#enterLocated(step, fd, status);
      return null;
    }
    closeInstantly(fd);
    try {
      return await this.#open(step.name, this.#flags | O_NOFOLLOW, this.#mode, status.device);
    } catch (error) {
      if (errnoOf(error) !== ELOOP || isNamed) throw error;
      return "changed";
    }
  }

  /** Opens the directory where the walk has ended: the path ended in a slash, a dot, or a directory's name. */
  async #openHere(): Promise<number> {
    if ((this.#flags & O_CREAT) !== 0) throw failure((this.#flags & O_EXCL) !== 0 ? EEXIST : EISDIR);
    return await this.#open(".", this.#flags, 0);
  }

  async #follow(step: Step, fd: number, status: FileStatus): Promise<void> {
    this.#links += 1;
    if (this.#links > linksMax) throw failure(ELOOP);
    if (step.isLast) this.#checkOwner(status);
    const { device } = status;
    const { type } = await this.#pool.run(device, () => fstatfs(fd));
    if (type === procMagic && status.inode < procTextLinkFirst) throw failure(EXDEV);
    const text = (await this.#pool.run(device, () => readlinkat(fd, ""))).toString("latin1");
    if (text === "") throw failure(ENOENT);
    if (text.startsWith("/")) this.#goToRoot();
    this.#left = text + step.rest;
  }

  /** Where everybody may put a link, only those of the directory's owner and our own are followed (proc_sys_fs(5), protected_symlinks). */
  #checkOwner(link: FileStatus): void {
    const directory = statusAtHand(this.#here.fd);
    if ((directory.mode & stickyForAll) !== stickyForAll) return;
    if (link.user !== directory.user && link.user !== process.geteuid?.()) throw failure(EACCES);
  }

  #push(fd: number): void {
    if (this.#entered.length >= depthMax) {
      closeInstantly(fd);
      throw failure(ENAMETOOLONG);
    }
    this.#entered.push(directoryOf(fd));
  }

  #open(name: string, flags: number, mode = 0, device = this.#here.device): Promise<number> {
    const { fd } = this.#here;
    return this.#pool.run(device, () => openat(fd, Buffer.from(name, "latin1"), flags, mode));
  }
}

function directoryOf(fd: number): Directory {
  return { fd, device: statusAtHand(fd).device };
}

function isType(status: FileStatus, type: number): boolean {
  return (status.mode & S_IFMT) === type;
}

function nextStep(left: string): Step | null {
  let start = 0;
  while (left[start] === "/") start += 1;
  if (start === left.length) return null;
  let end = left.indexOf("/", start);
  if (end < 0) end = left.length;
  const rest = left.slice(end);
  const isLast = /^\/*$/.test(rest);
  return { name: left.slice(start, end), rest, isLast, hasSlash: isLast && rest !== "" };
}

function failure(errno: number): SystemCallError {
  return new SystemCallError(errno, "path");
}
