// The keys of share links that are live: those that some session has registered and not removed. All sessions share them; each counts once for a key and loses its own when
// it ends.

import { allInClass, FIELD_VALUE } from "../http/byteClasses.ts";

/** Most keys of one session, and most bytes of one. */
const KEYS_MAX = 256;
const KEY_BYTES_MAX = 1024;

export class ShareKeys {
  readonly #owners = new Map<string, Set<object>>();

  /** True while some session has the key. */
  isLive(key: string): boolean {
    return this.#owners.has(key);
  }

  /** True while no key is live: nothing has to be looked for. */
  get isEmpty(): boolean {
    return this.#owners.size === 0;
  }

  /** One session's part. */
  join(): SessionShareKeys {
    const own = new Set<string>();
    const remove = (key: string): void => {
      if (!own.delete(key)) return;
      const owners = this.#owners.get(key);
      owners?.delete(own);
      if (owners?.size === 0) this.#owners.delete(key);
    };
    return {
      register: (key) => {
        const problem = problemOf(key, own);
        if (problem !== null || own.has(key)) return problem;
        own.add(key);
        const owners = this.#owners.get(key) ?? new Set();
        this.#owners.set(key, owners.add(own));
        return null;
      },
      remove,
      [Symbol.dispose]: () => {
        for (const key of own) remove(key);
      },
    };
  }
}

/** Disposed when the session ends. */
export interface SessionShareKeys extends Disposable {
  /** Returns why the key cannot be used, or null. */
  register(key: string): string | null;
  remove(key: string): void;
}

function problemOf(key: string, own: ReadonlySet<string>): string | null {
  const bytes = Buffer.from(key);
  if (bytes.length === 0 || bytes.length > KEY_BYTES_MAX) return `its length is not between 1 and ${KEY_BYTES_MAX} bytes`;
  if (!allInClass(bytes, 0, bytes.length, FIELD_VALUE)) return "it cannot be the value of a header";
  return own.size >= KEYS_MAX && !own.has(key) ? `the session has ${KEYS_MAX} keys already` : null;
}
