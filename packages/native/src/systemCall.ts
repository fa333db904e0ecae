// Calls a function of the C library by its prototype and turns a result of -1 into an error. The one place that knows
// koffi. It loads koffi and binds a function when that function is first called, so that importing this package costs
// nothing (koffi takes about 9 MB).
//
// Structures are never described to koffi: callers pass a Buffer laid out by hand, whose layout is that of 64-bit Linux
// (x86-64 and arm64, little endian).

import { createRequire } from "node:module";
import type koffi from "koffi";
import { errnoName } from "./errno.ts";

/** A system call that failed. `errno` is the positive Linux error number. */
export class SystemCallError extends Error {
  readonly errno: number;
  /** Name of the call, as "openat2". */
  readonly syscall: string;
  /** Name of the error number, as "ENOENT"; the same field as in the errors of `node:fs`. */
  readonly code: string;

  constructor(errno: number, syscall: string) {
    const code = errnoName(errno);
    super(`${syscall}: ${code}`);
    this.name = "SystemCallError";
    this.errno = errno;
    this.syscall = syscall;
    this.code = code;
  }
}

/** koffi itself, loaded by the first call of any function here. */
export function loadKoffi(): typeof koffi {
  return library().koffi;
}

/** What may be passed for a parameter: numbers for integers, a view or null for pointers. */
export type Argument = number | bigint | Uint8Array | null;

/** One bound function. Both forms return its result and fail with {@link SystemCallError} when that is -1. */
export interface SystemCall {
  /** Runs on the calling thread, and so in its network namespace; blocks the event loop while the kernel works. */
  sync(...args: Argument[]): number;
  /** As `sync`, but a failure is returned as the negated error number: for calls that fail all the time, as on EAGAIN. */
  attempt(...args: Argument[]): number;
  /**
   * Runs in libuv's pool, in the network namespace that the pool's threads have. Buffers must not be touched until the
   * promise settles. A call that can wait for ever occupies its pool thread for ever.
   */
  async(...args: Argument[]): Promise<number>;
}

// koffi reserves two memory blocks a queued call and refuses calls above its own limit (256). Ours is lower, so that it
// is never reached and a burst of calls takes 16 MiB at most; further calls wait here, in order.
const maxCallsAtOnce = 64;

/** Calls under way in the pool of this process, and those waiting for a place. It belongs to the pool, thus to the process. */
const pool: { running: number; readonly waiting: (() => void)[] } = { running: 0, waiting: [] };

async function takePlace(): Promise<void> {
  if (pool.running < maxCallsAtOnce) {
    pool.running += 1;
    return;
  }
  await new Promise<void>((resolve) => pool.waiting.push(resolve));
}

function givePlace(): void {
  const next = pool.waiting.shift();
  // The place goes straight to the next in line, so `running` stays as it is.
  if (next === undefined) pool.running -= 1;
  else next();
}

interface Library {
  koffi: typeof koffi;
  libc: ReturnType<typeof koffi.load>;
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const library = once((): Library => {
  const loaded = createRequire(import.meta.url)("koffi") as typeof koffi;
  return { koffi: loaded, libc: loaded.load("libc.so.6") };
});

/**
 * Describes a function of the C library.
 *
 * @param syscall name for error messages.
 * @param prototype C prototype in koffi's syntax (no `ssize_t`: use `int64_t`). For a call that the C library has no
 *   wrapper for, use `syscall` with a fixed parameter list: variadic functions cannot be called asynchronously, and the
 *   calling conventions of x86-64 and arm64 Linux pass variadic integers and pointers like named ones.
 */
export function systemCall(syscall: string, prototype: string): SystemCall {
  const bound = once(() => library().libc.func(prototype));
  return {
    sync(...args) {
      const result = Number(bound()(...args));
      if (result === -1) throw new SystemCallError(library().koffi.errno(), syscall);
      return result;
    },
    attempt(...args) {
      const result = Number(bound()(...args));
      return result === -1 ? -library().koffi.errno() : result;
    },
    async async(...args) {
      await takePlace();
      try {
        return await new Promise<number>((resolve, reject) => {
          bound().async(...args, (error: unknown, result: number | bigint) => {
            if (error !== null && error !== undefined) {
              reject(new Error(`${syscall} could not be called`, { cause: error }));
            } else if (Number(result) === -1) {
              // koffi restores the errno of the call for the time of this callback only.
              reject(new SystemCallError(library().koffi.errno(), syscall));
            } else {
              // Naming the arguments here keeps the buffers among them alive until the call is over.
              void args;
              resolve(Number(result));
            }
          });
        });
      } finally {
        givePlace();
      }
    },
  };
}
