// Whether this machine has swap. Without it a file of tmpfs is in memory for certain; with it, reading one may wait for a disk.

import { readFile } from "node:fs/promises";

/** How long an answer is believed, in ms. */
const rememberedMs = 30_000;

/** Whether the text of /proc/swaps lists anything below its heading. A text without the heading is none to rely on. */
export function listsNoSwap(text: string): boolean {
  const [heading, ...areas] = text.split("\n");
  return heading !== undefined && heading.startsWith("Filename") && areas.every((area) => area.trim() === "");
}

/** What is known of the machine's swap. */
export class SwapSpace {
  readonly #path: string;
  #isAbsent = false;
  #untilMs = -Infinity;
  #isAsking = false;

  /** @param path of the list of swap areas. */
  constructor(path = "/proc/swaps") {
    this.#path = path;
  }

  /** True only where it is known; asking for what is unknown or outdated finds it out for the next time. */
  get isAbsent(): boolean {
    if (performance.now() < this.#untilMs) return this.#isAbsent;
    // Never rejects, and nobody waits for it.
    if (!this.#isAsking) void this.look();
    return false;
  }

  /** Looks now. Resolves also when that fails; swap then counts as present. */
  async look(): Promise<void> {
    this.#isAsking = true;
    try {
      this.#isAbsent = listsNoSwap(await readFile(this.#path, "utf8"));
    } catch {
      // Unknown is as good as present.
      this.#isAbsent = false;
    }
    this.#untilMs = performance.now() + rememberedMs;
    this.#isAsking = false;
  }
}
