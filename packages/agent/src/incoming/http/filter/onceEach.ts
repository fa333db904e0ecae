// Tells each problem once, so that a filter cannot flood its own client with the same words for every request.

/** Most problems told. */
const MAX_TOLD = 8;

export class OnceEach {
  readonly #tell: (text: string) => void;
  readonly #told = new Set<string>();

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  tell(text: string): void {
    if (this.#told.has(text) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(text);
    this.#tell(text);
  }
}
