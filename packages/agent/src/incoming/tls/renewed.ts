// A value that is made when it is first needed and made again when it has grown old and somebody asks. Whoever asks then gets the old one and waits for nothing.

export interface RenewedOptions {
  /** How long a value is not doubted, in ms. */
  readonly freshMs: number;
  /** A new one could not be made; the old one stays in use. */
  readonly onStale: (error: unknown) => void;
}

export class Renewed<T> {
  readonly #make: () => Promise<T>;
  readonly #options: RenewedOptions;
  #value: { readonly value: T } | null = null;
  #madeMs = 0;
  #making: Promise<T> | null = null;

  constructor(make: () => Promise<T>, options: RenewedOptions) {
    this.#make = make;
    this.#options = options;
  }

  /** Rejects only while there has never been a value. */
  async get(): Promise<T> {
    if (this.#value === null) return await this.#renew();
    if (performance.now() - this.#madeMs > this.#options.freshMs) this.#renew().catch(this.#options.onStale);
    return this.#value.value;
  }

  #renew(): Promise<T> {
    this.#making ??= this.#makeOnce().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async #makeOnce(): Promise<T> {
    // Also counts for a failure: an old value is not tried again with every connection.
    this.#madeMs = performance.now();
    const value = await this.#make();
    this.#value = { value };
    return value;
  }
}
