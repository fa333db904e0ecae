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

/** How often values fell into each of some ranges. One addition and a short search a value. */
export class Histogram {
  /** Upper bounds, rising; what is above the last counts as well. */
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] ?? Infinity)) at += 1;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** How many values fell into each range, the last of which has no bound. */
  get counts(): readonly number[] {
    return [...this.#counts];
  }
}

/** Histograms of one name that differ in a label out of a closed set. */
export class HistogramFamily<Label extends string> {
  readonly #byLabel: ReadonlyMap<Label, Histogram>;

  constructor(labels: readonly Label[], bounds: readonly number[]) {
    this.#byLabel = new Map(labels.map((label) => [label, new Histogram(bounds)]));
  }

  with(label: Label): Histogram {
    const histogram = this.#byLabel.get(label);
    if (histogram === undefined) throw new Error(`no histogram is labelled ${label}`);
    return histogram;
  }

  entries(): Iterable<[string, Histogram]> {
    return this.#byLabel.entries();
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
