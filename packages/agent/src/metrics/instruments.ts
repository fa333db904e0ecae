// The values that the agent counts. They know nothing of how they are shown; see `exposition.ts`.
// Changing one is a plain addition, cheap enough for every message.

/** A value that goes up and down. */
export class Gauge {
  #value = 0;
  #read: (() => number) | null = null;

  /** Adds `n`, which may be negative. */
  add(n: number): void {
    this.#value += n;
  }

  set(n: number): void {
    this.#value = n;
  }

  /** From now on the value is what `read` returns; for what somebody else counts already. */
  from(read: () => number): void {
    this.#read = read;
  }

  get value(): number {
    return this.#read === null ? this.#value : this.#read();
  }
}

/** A value that only grows. */
export class Counter {
  #value = 0;
  #read: (() => number) | null = null;

  /** Adds `n`, by default 1. What is not a positive number is not counted. */
  add(n = 1): void {
    if (n > 0) this.#value += n;
  }

  /** From now on the value is what `read` returns; for what somebody else counts already. */
  from(read: () => number): void {
    this.#read = read;
  }

  get value(): number {
    return this.#read === null ? this.#value : this.#read();
  }
}

/** Counters of one name that differ in a label out of a closed set. */
export class CounterFamily<Label extends string> {
  readonly #byLabel: ReadonlyMap<Label, Counter>;

  constructor(labels: readonly Label[]) {
    this.#byLabel = new Map(labels.map((label) => [label, new Counter()]));
  }

  with(label: Label): Counter {
    const counter = this.#byLabel.get(label);
    if (counter === undefined) throw new Error(`no counter is labelled ${label}`);
    return counter;
  }

  entries(): Iterable<[string, Counter]> {
    return this.#byLabel.entries();
  }
}

/** Gauges by port. One appears with its first use; above `portsMax` ports the rest share the label "other". */
export class PortGauges {
  readonly #byLabel = new Map<string, Gauge>();
  readonly #portsMax: number;

  constructor(portsMax = 1024) {
    this.#portsMax = portsMax;
  }

  with(port: number): Gauge {
    const known = this.#byLabel.get(String(port));
    if (known !== undefined) return known;
    const label = this.#byLabel.size < this.#portsMax ? String(port) : "other";
    const gauge = this.#byLabel.get(label) ?? new Gauge();
    this.#byLabel.set(label, gauge);
    return gauge;
  }

  entries(): Iterable<[string, Gauge]> {
    return this.#byLabel.entries();
  }
}
