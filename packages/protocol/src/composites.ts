// Codecs made of other codecs: structures, variants, optional values and collections.

import { type Codec, type Infer, type Resumable, resumeItem, resumeSmall, small } from "./codec.ts";
import { EncodeError, ProtocolError } from "./protocolError.ts";
import { readFlag, u64 } from "./primitives.ts";
import { INCOMPLETE, type Reader, WIDEST_U32 } from "./reader.ts";
import type { AnyCodec, VariantShape } from "./shape.ts";
import type { Writer } from "./writer.ts";

/** Estimated heap of one object, and of one place in it or in a collection. */
const OBJECT_OVERHEAD = 24;
const PLACE_OVERHEAD = 8;
const MAP_ENTRY_OVERHEAD = 48;
/** Estimated heap of an empty collection, and of the spare places that the first item brings. */
const COLLECTION_OVERHEAD = 48;
const FIRST_ITEM_OVERHEAD = 128;

/** Below this nesting of recursive types, items of a list are first tried at once; deeper ones only piece by piece, so that nothing is read more than a few times. */
const RETRY_DEPTH = 2;

type Fields = Readonly<Record<string, AnyCodec>>;
export type StructOf<F extends Fields> = { readonly [K in keyof F]: Infer<F[K]> };

/** Members one after another, in the order of the object's keys. */
export function struct<F extends Fields>(fields: F): Codec<StructOf<F>> {
  const names = Object.keys(fields);
  const codecs = Object.values(fields);
  const overhead = OBJECT_OVERHEAD + PLACE_OVERHEAD * names.length;
  return {
    shape: { kind: "struct", fields: Object.entries(fields) },
    minBytes: codecs.reduce((sum, codec) => sum + codec.minBytes, 0),
    isSmall: false,
    write(out, value) {
      for (let i = 0; i < names.length; i++) codecs[i]!.write(out, value[names[i]!]);
    },
    read(input) {
      const value: Record<string, unknown> = {};
      for (let i = 0; i < names.length; i++) value[names[i]!] = codecs[i]!.read(input);
      input.charge(overhead);
      return value as StructOf<F>;
    },
    *resume(input) {
      const value: Record<string, unknown> = {};
      for (let i = 0; i < names.length; i++) {
        const codec = codecs[i]!;
        value[names[i]!] = yield* codec.isSmall ? resumeItem(codec, input) : codec.resume(input);
      }
      input.charge(overhead);
      return value as StructOf<F>;
    },
  };
}

/** Payload of a variant: `null` for none, a codec for one value, several codecs for several. */
type Payload = null | AnyCodec | readonly AnyCodec[];
export interface Since<P extends Payload> {
  readonly since: string;
  readonly payload: P;
}
type Variant = Payload | Since<Payload>;
type PayloadOf<V> = V extends Since<infer P> ? P : V;
type ValueOf<K extends string, P> = P extends null
  ? { readonly kind: K }
  : P extends Codec<infer T>
    ? { readonly kind: K; readonly value: T }
    : P extends readonly AnyCodec[]
      ? { readonly kind: K; readonly value: { readonly [I in keyof P]: Infer<P[I]> } }
      : never;
export type UnionOf<V> = { [K in keyof V & string]: ValueOf<K, PayloadOf<V[K]>> }[keyof V & string];

/** Marks a variant that peers know only from this protocol version on. */
export function since<const P extends Payload>(version: string, payload: P): Since<P> {
  return { since: version, payload };
}

/** One of several variants; the number on the wire is the position among the object's keys, so they may never be reordered. */
export function union<const V extends Readonly<Record<string, Variant>>>(name: string, variants: V): Codec<UnionOf<V>> {
  const shapes = Object.entries(variants).map(([kind, variant]) => variantShape(kind, variant));
  const numbers = new Map(shapes.map((variant, number) => [variant.kind, number]));
  const constants = shapes.map((variant) => (variant.payload.length === 0 ? { kind: variant.kind } : null));
  const pick = (input: Reader): number => variantNumber(input, name, shapes.length);
  return {
    shape: { kind: "union", name, variants: shapes },
    minBytes: 1,
    isSmall: false,
    write(out, value: { readonly kind: string; readonly value?: unknown }) {
      const number = numbers.get(value.kind);
      if (number === undefined) throw new EncodeError(`${name} has no variant ${value.kind}`);
      out.varint(number);
      const { payload } = shapes[number]!;
      if (payload.length === 1) payload[0]!.write(out, value.value);
      else for (let i = 0; i < payload.length; i++) payload[i]!.write(out, (value.value as readonly unknown[])[i]);
    },
    read(input) {
      const number = pick(input);
      const constant = constants[number];
      if (constant) return constant as UnionOf<V>;
      const { kind, payload } = shapes[number]!;
      input.charge(OBJECT_OVERHEAD + 2 * PLACE_OVERHEAD);
      if (payload.length === 1) return { kind, value: payload[0]!.read(input) as unknown } as UnionOf<V>;
      return { kind, value: payload.map((codec): unknown => codec.read(input)) } as UnionOf<V>;
    },
    *resume(input) {
      const number = yield* resumeItem(
        small({ kind: "unit" }, 1, () => undefined, pick),
        input,
      );
      const constant = constants[number];
      if (constant) return constant as UnionOf<V>;
      const { kind, payload } = shapes[number]!;
      input.charge(OBJECT_OVERHEAD + 2 * PLACE_OVERHEAD);
      const values: unknown[] = [];
      for (const codec of payload) values.push(yield* codec.isSmall ? resumeItem(codec, input) : codec.resume(input));
      return { kind, value: payload.length === 1 ? values[0] : values } as UnionOf<V>;
    },
  };
}

function variantShape(kind: string, variant: Variant): VariantShape {
  const isSince = variant !== null && "since" in variant;
  const payload = isSince ? variant.payload : variant;
  const codecs = payload === null ? [] : Array.isArray(payload) ? (payload as readonly AnyCodec[]) : [payload as AnyCodec];
  return { kind, payload: codecs, since: isSince ? variant.since : null };
}

function variantNumber(input: Reader, name: string, count: number): number {
  const number = input.smallVarint(WIDEST_U32, name);
  if (number >= count) throw new ProtocolError("malformed", `${name}: variant ${number} exceeds ${count - 1}, the last one known`);
  return number;
}

/** A union of which no variant has a payload: its values are plain strings. */
export function enumeration<const N extends readonly string[]>(name: string, values: N): Codec<N[number]> {
  return small(
    { kind: "enumeration", name, values },
    1,
    (out, value) => {
      const number = values.indexOf(value);
      if (number < 0) throw new EncodeError(`${name} has no variant ${value}`);
      out.varint(number);
    },
    (input) => values[variantNumber(input, name, values.length)]!,
  );
}

/** A value or `null`. */
export function option<T>(item: Codec<T>): Codec<T | null> {
  return {
    shape: { kind: "option", item: () => item },
    minBytes: 1,
    isSmall: false,
    write(out, value) {
      out.byte(value === null ? 0 : 1);
      if (value !== null) item.write(out, value);
    },
    read: (input) => (readFlag(input, "option") ? item.read(input) : null),
    *resume(input) {
      const isSome = yield* resumeSmall((reader) => readFlag(reader, "option"), input);
      return isSome ? yield* resumeItem(item, input) : null;
    },
  };
}

export type Result<T, E> = { readonly kind: "ok"; readonly value: T } | { readonly kind: "err"; readonly value: E };

export function result<T, E>(ok: Codec<T>, err: Codec<E>): Codec<Result<T, E>> {
  const inner = union("Result", { ok, err });
  return { ...(inner as Codec<Result<T, E>>), shape: { kind: "result", ok, err } };
}

/** A count and that many items. */
export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return collection<T, T[], readonly T[]>(
    { kind: "list", item: () => item },
    "list",
    item,
    PLACE_OVERHEAD,
    () => [],
    (items, value) => void items.push(value),
    (items) => items.length,
  );
}

/** A count and that many items; equal ones are merged, the order on the wire is kept. */
export function set<T>(item: Codec<T>): Codec<ReadonlySet<T>> {
  return collection<T, Set<T>, ReadonlySet<T>>(
    { kind: "set", item: () => item },
    "set",
    item,
    MAP_ENTRY_OVERHEAD,
    () => new Set(),
    (items, value) => void items.add(value),
    (items) => items.size,
  );
}

/** A count and that many pairs; of equal keys the last one counts. */
export function map<K, V>(key: Codec<K>, value: Codec<V>): Codec<ReadonlyMap<K, V>> {
  const entry = struct({ key, value }) as Codec<{ readonly key: K; readonly value: V }>;
  const pair: Codec<readonly [K, V]> = {
    ...entry,
    write(out, [k, v]) {
      key.write(out, k);
      value.write(out, v);
    },
    read: (input) => [key.read(input), value.read(input)],
    *resume(input) {
      const { key: k, value: v } = yield* entry.resume(input);
      return [k, v];
    },
  };
  return collection<readonly [K, V], Map<K, V>, ReadonlyMap<K, V>>(
    { kind: "map", key, value },
    "map",
    pair,
    MAP_ENTRY_OVERHEAD,
    () => new Map(),
    (items, [k, v]) => void items.set(k, v),
    (items) => items.size,
  );
}

function collection<T, C extends Iterable<T>, R extends Iterable<T>>(
  shape: AnyCodec["shape"],
  thing: string,
  item: Codec<T>,
  overhead: number,
  empty: () => C & R,
  add: (items: C, value: T) => void,
  size: (items: R) => number,
): Codec<R> {
  const minBytes = Math.max(1, item.minBytes);
  const begin = (input: Reader, count: number): C & R => {
    input.charge(count === 0 ? COLLECTION_OVERHEAD : COLLECTION_OVERHEAD + FIRST_ITEM_OVERHEAD);
    return empty();
  };
  const step = (input: Reader, items: C, value: T): void => {
    add(items, value);
    input.charge(overhead);
    input.checkCost(thing);
  };
  return {
    shape,
    minBytes: 1,
    isSmall: false,
    write(out: Writer, items: R) {
      out.varint(size(items));
      for (const value of items) item.write(out, value);
    },
    read(input: Reader): R {
      const count = input.checkLength(input.varint64(thing), thing, minBytes);
      const items = begin(input, count);
      for (let i = 0; i < count; i++) step(input, items, item.read(input));
      return items;
    },
    *resume(input: Reader): Resumable<R> {
      const count = input.checkLength(yield* resumeItem(u64, input), thing, minBytes);
      const items = begin(input, count);
      for (let done = 0; done < count; done++) {
        done += readMany(input, item, count - done, items, step);
        if (done < count) step(input, items, yield* item.resume(input));
      }
      return items;
    },
  };
}

/**
 * Reads items at once for as long as their bytes are there. Returns how many; the reader stands behind the last of them.
 * Not a closure over `items`: an error's stack keeps the functions on it, and with them a refused message, for as long as the error lives.
 */
function readMany<T, C>(input: Reader, item: Codec<T>, count: number, items: C, step: (input: Reader, items: C, value: T) => void): number {
  if (input.depth > RETRY_DEPTH) return 0;
  let done = 0;
  let { pos, overhead, depth } = input;
  try {
    while (done < count) {
      step(input, items, item.read(input));
      done += 1;
      ({ pos, overhead, depth } = input);
    }
  } catch (error) {
    if (error !== INCOMPLETE) throw error;
    input.rewind(pos, overhead, depth);
  }
  return done;
}

/** Exactly two items, without a count. */
export function pairOf<T>(item: Codec<T>): Codec<readonly [T, T]> {
  return {
    shape: { kind: "array", item: () => item, length: 2 },
    minBytes: 2 * item.minBytes,
    isSmall: false,
    write(out, [first, second]) {
      item.write(out, first);
      item.write(out, second);
    },
    read: (input) => [item.read(input), item.read(input)],
    *resume(input) {
      return [yield* resumeItem(item, input), yield* resumeItem(item, input)] as const;
    },
  };
}

/** A codec that contains itself: looked up when used, and counted against `maxDepth`. */
export function recursive<T>(get: () => Codec<T>): Codec<T> {
  const enter = (input: Reader): void => {
    input.depth += 1;
    if (input.depth > input.limits.maxDepth) {
      throw new ProtocolError("limit", `nesting of ${input.depth} exceeds maxDepth ${input.limits.maxDepth}`);
    }
  };
  return {
    shape: { kind: "lazy", item: get },
    minBytes: 1,
    isSmall: false,
    write: (out, value) => get().write(out, value),
    read(input) {
      enter(input);
      const value = get().read(input);
      input.depth -= 1;
      return value;
    },
    *resume(input) {
      enter(input);
      const value = yield* get().resume(input);
      input.depth -= 1;
      return value;
    },
  };
}
