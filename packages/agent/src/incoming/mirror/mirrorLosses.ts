// What a listening client misses because it reads too slowly. It is told how much, at most once a second.

import type { SessionLink } from "../../link/sessionLink.ts";
import type { Metrics } from "../../metrics/metrics.ts";

/** Shortest time between two texts, in ms. */
const REST_MS = 1000;

export class MirrorLosses implements Disposable {
  readonly #link: SessionLink;
  readonly #metrics: Metrics;
  #missed = 0;
  #cut = 0;
  #rest: NodeJS.Timeout | null = null;

  constructor(link: SessionLink, metrics: Metrics) {
    this.#link = link;
    this.#metrics = metrics;
  }

  /** A connection or request is not mirrored at all. */
  missed(): void {
    this.#missed += 1;
    this.#count();
  }

  /** One is not mirrored any further, from these bytes on. */
  cut(bytes: number): void {
    this.#cut += 1;
    this.#metrics.mirrorDroppedBytes.add(bytes);
    this.#count();
  }

  [Symbol.dispose](): void {
    if (this.#rest !== null) clearTimeout(this.#rest);
  }

  #count(): void {
    this.#metrics.mirrorDroppedConnections.add();
    if (this.#rest === null) this.#tell();
  }

  #tell(): void {
    const all = this.#missed + this.#cut;
    this.#rest = null;
    if (all === 0) return;
    const part = this.#cut === 0 ? "" : `, ${this.#cut} of them after a part`;
    this.#link.tell("warn", `Connections or requests not mirrored, since the client does not read fast enough: ${all}${part}`);
    this.#missed = 0;
    this.#cut = 0;
    this.#rest = setTimeout(() => this.#tell(), REST_MS).unref();
  }
}
