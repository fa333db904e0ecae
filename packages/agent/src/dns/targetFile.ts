// A small file of the target that is read again and again: parsed when its bytes changed, looked at no more than once
// a second and only when somebody asks. How the file is reached, and that a read cannot block the loop, is the
// caller's matter.

import { SharedWork } from "./sharedWork.ts";

/** Options of a `TargetFile`. */
export interface TargetFileOptions<T> {
  readonly path: string;
  /** Read the file's first bytes, at most `maxBytes`. @throws an error with an errno. */
  readonly read: (path: string, maxBytes: number) => Promise<Uint8Array>;
  /** The rest of a longer file is not looked at. */
  readonly maxBytes: number;
  readonly parse: (bytes: Uint8Array) => T | Promise<T>;
  /** Told of each failed read; what it throws or returns is the outcome for those who asked. */
  readonly onFailure: (error: unknown) => T;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** After so long a file is looked at again. */
const freshMs = 1000;

/** The parsed file. Holds no descriptor. */
export class TargetFile<T> {
  readonly #options: TargetFileOptions<T>;
  #bytes: Uint8Array | null = null;
  #current: { readonly value: T; readonly freshUntil: number } | null = null;
  #failed: { readonly error: unknown; readonly freshUntil: number } | null = null;
  #reading: SharedWork<T> | null = null;

  constructor(options: TargetFileOptions<T>) {
    this.#options = options;
  }

  /** The parsed file if it was looked at just now, without a wait. */
  get fresh(): T | null {
    const { now } = this.#options;
    return this.#current !== null && now() < this.#current.freshUntil ? this.#current.value : null;
  }

  /** The parsed file; the same value as before while its bytes are the same. @throws what `onFailure` throws. */
  async get(signal: AbortSignal): Promise<T> {
    const { fresh } = this;
    if (fresh !== null) return fresh;
    if (this.#failed !== null && this.#options.now() < this.#failed.freshUntil) throw this.#failed.error;
    // A read that hangs is kept, so that the next who asks does not start another that hangs.
    this.#reading ??= new SharedWork(() => this.#read(), { isKept: true });
    return await this.#reading.wait(signal);
  }

  async #read(): Promise<T> {
    const { path, read, maxBytes, parse, onFailure, now } = this.#options;
    try {
      let value: T;
      try {
        const bytes = await read(path, maxBytes);
        const isSame = this.#current !== null && this.#bytes !== null && Buffer.compare(bytes, this.#bytes) === 0;
        value = isSame && this.#current !== null ? this.#current.value : await parse(bytes.subarray(0, maxBytes));
        this.#bytes = bytes;
      } catch (error) {
        this.#bytes = null;
        value = onFailure(error);
      }
      this.#current = { value, freshUntil: now() + freshMs };
      this.#failed = null;
      return value;
    } catch (error) {
      this.#current = null;
      this.#failed = { error, freshUntil: now() + freshMs };
      throw error;
    } finally {
      this.#reading = null;
    }
  }
}
