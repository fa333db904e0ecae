// Values by the numbers that were given out for them. Unlike a `Map`, it leaves nothing behind for the collector of the heap: a `Map` into which much goes
// and out of which much comes makes itself a new table every few dozen times, and V8 links each old table to the next one. One that has grown old keeps all
// after it, and whatever they held, until the next full collection. See docs/decisions/026-tables-of-ids.md.

const FIRST_SIZE = 16;

/** Its memory is that of the most values it ever had at once, 32 to 64 bytes for each. */
export class IdTable<T extends object> {
  /** Both have the same length, a power of two, at least twice the count. A value lies at the remainder of its id, or as near behind it as there was room; where there is none, the id means nothing. */
  #ids = filled(FIRST_SIZE, 0);
  #values = filled<T | undefined>(FIRST_SIZE, undefined);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  get(id: number | bigint): T | undefined {
    return typeof id === "number" ? this.#values[this.#slotOf(id)] : undefined;
  }

  /** @param id not negative. */
  set(id: number, value: T): void {
    let slot = this.#slotOf(id);
    if (this.#values[slot] === undefined) {
      this.#count += 1;
      if (this.#count * 2 > this.#ids.length) {
        this.#grow();
        slot = this.#slotOf(id);
      }
    }
    this.#ids[slot] = id;
    this.#values[slot] = value;
  }

  /** False when there was none. */
  delete(id: number): boolean {
    let gap = this.#slotOf(id);
    if (this.#values[gap] === undefined) return false;
    const last = this.#ids.length - 1;
    // What lies behind it because there was no room before it moves up, or it would not be found.
    for (let slot = (gap + 1) & last; this.#values[slot] !== undefined; slot = (slot + 1) & last) {
      const distance = (slot - (this.#ids[slot]! % this.#ids.length)) & last;
      if (distance < ((slot - gap) & last)) continue;
      this.#ids[gap] = this.#ids[slot]!;
      this.#values[gap] = this.#values[slot];
      gap = slot;
    }
    this.#values[gap] = undefined;
    this.#count -= 1;
    return true;
  }

  /** Those of now, in no order; may be deleted meanwhile. */
  values(): T[] {
    return this.#values.filter((value) => value !== undefined);
  }

  /** Where the id is, or else where it would go. */
  #slotOf(id: number): number {
    const last = this.#ids.length - 1;
    let slot = id % this.#ids.length;
    while (this.#values[slot] !== undefined && this.#ids[slot] !== id) slot = (slot + 1) & last;
    return slot;
  }

  #grow(): void {
    const ids = this.#ids;
    const values = this.#values;
    this.#ids = filled(ids.length * 2, 0);
    this.#values = filled<T | undefined>(ids.length * 2, undefined);
    for (const [index, value] of values.entries()) {
      if (value === undefined) continue;
      const slot = this.#slotOf(ids[index]!);
      this.#ids[slot] = ids[index]!;
      this.#values[slot] = value;
    }
  }
}

function filled<T>(length: number, value: T): T[] {
  return Array.from({ length }, () => value);
}
