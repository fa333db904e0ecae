// Random values of any codec, for tests: built from the codec's shape, so a new message is covered without being named here.
// Values are those a decoder would give (canonical addresses, lower-case header names, numbers where they are exact), so that what is
// written must be read back equal. It does not make invalid values. Part of no public entry; needs fast-check, which is for tests.

// oxlint-disable-next-line no-restricted-imports -- this folder is used by tests only
import fc from "fast-check";
import type { Codec } from "../codec.ts";
import { formatIp } from "../netAddress.ts";
import { narrow } from "../primitives.ts";
import type { AnyCodec, IntegerType, TextGrammar, VariantShape } from "../shape.ts";

/** Recursive types are nested at most this deep. */
const MAX_NESTING = 3;

/** Values of `codec`. Variants are weighted by how many others they lead to, so that rare ones deep inside are met too. */
export function arbitraryOf<T>(codec: Codec<T>): fc.Arbitrary<T> {
  return new Builder().of(codec, 0) as fc.Arbitrary<T>;
}

class Builder {
  /** By nesting, since at the deepest level lists of the recursive type are empty. */
  readonly #made = Array.from({ length: MAX_NESTING + 1 }, () => new Map<AnyCodec, fc.Arbitrary<unknown>>());

  of(codec: AnyCodec, nesting: number): fc.Arbitrary<unknown> {
    const made = this.#made[nesting]?.get(codec);
    if (made !== undefined) return made;
    const fresh = this.#make(codec, nesting);
    this.#made[nesting]?.set(codec, fresh);
    return fresh;
  }

  #make({ shape }: AnyCodec, nesting: number): fc.Arbitrary<unknown> {
    switch (shape.kind) {
      case "unit":
        return fc.constant(null);
      case "bool":
        return fc.boolean();
      case "bytes":
        return byteString;
      case "uid":
        return integers.u128;
      case "ipAddr":
        return ipText;
      case "socketAddr":
        return fc.record({ ip: ipText, port: integers.u16 }, { noNullPrototype: true });
      case "httpStatus":
        return fc.integer({ min: 100, max: 999 });
      case "httpHeaders":
        return httpHeaders;
      case "integer":
        return integers[shape.type];
      case "text":
        return shape.grammar === null ? text : grammars[shape.grammar];
      case "option":
        return fc.option(this.of(shape.item(), nesting));
      case "list":
        return this.#items(shape.item(), nesting);
      case "set":
        return this.#items(shape.item(), nesting).map((items) => new Set(items));
      case "array":
        return fc.tuple(...Array.from({ length: shape.length }, () => this.of(shape.item(), nesting)));
      case "lazy":
        return this.of(shape.item(), nesting + 1);
      case "map": {
        const entry = fc.tuple(this.of(shape.key, nesting), this.of(shape.value, nesting));
        return fc.array(entry, { maxLength: 4 }).map((entries) => new Map(entries));
      }
      case "result":
        return fc.oneof(
          { weight: weightOf(shape.ok), arbitrary: this.of(shape.ok, nesting).map((value) => ({ kind: "ok", value })) },
          { weight: weightOf(shape.err), arbitrary: this.of(shape.err, nesting).map((value) => ({ kind: "err", value })) },
        );
      case "struct": {
        const names = shape.fields.map(([name]) => name);
        return fc
          .tuple(...shape.fields.map(([, codec]) => this.of(codec, nesting)))
          .map((values) => Object.fromEntries<unknown>(values.map((value, i) => [names[i] ?? "", value])));
      }
      case "enumeration":
        return fc.constantFrom(...shape.values);
      case "union":
        return fc.oneof(
          ...shape.variants.map((variant) => ({ weight: variantWeight(variant, new Set()), arbitrary: this.#variant(variant, nesting) })),
        );
    }
  }

  #items(item: AnyCodec, nesting: number): fc.Arbitrary<unknown[]> {
    if (item.shape.kind === "lazy" && nesting === MAX_NESTING) return fc.constant([]);
    return fc.array(this.of(item, nesting), { maxLength: 4 });
  }

  #variant({ kind, payload }: VariantShape, nesting: number): fc.Arbitrary<unknown> {
    const [first] = payload;
    if (first === undefined) return fc.constant({ kind });
    if (payload.length === 1) return this.of(first, nesting).map((value) => ({ kind, value }));
    return fc.tuple(...payload.map((codec) => this.of(codec, nesting))).map((value) => ({ kind, value }));
  }
}

/** How many variants a codec leads to, counted once for each way there; a recursive type counts once. */
function weightOf(codec: AnyCodec, entered: ReadonlySet<AnyCodec> = new Set()): number {
  const { shape } = codec;
  switch (shape.kind) {
    case "option":
    case "list":
    case "set":
    case "array":
    case "lazy":
      return weightOf(shape.item(), entered);
    case "map":
      return weightOf(shape.value, entered);
    case "result":
      return weightOf(shape.ok, entered) + weightOf(shape.err, entered);
    case "struct":
      return shape.fields.reduce((most, [, field]) => Math.max(most, weightOf(field, entered)), 1);
    case "enumeration":
      return shape.values.length;
    case "union": {
      if (entered.has(codec)) return 1;
      const inside = new Set(entered).add(codec);
      return shape.variants.reduce((sum, variant) => sum + variantWeight(variant, inside), 0);
    }
    default:
      return 1;
  }
}

function variantWeight({ payload }: VariantShape, entered: ReadonlySet<AnyCodec>): number {
  return payload.reduce((most, codec) => Math.max(most, weightOf(codec, entered)), 1);
}

/** Where the length of an integer's form changes, and the ends of the ranges. */
const edges = [
  0n,
  1n,
  250n,
  251n,
  252n,
  255n,
  0xffffn,
  0x1_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 64n) - 1n,
];

function integer(min: bigint, max: bigint): fc.Arbitrary<bigint> {
  const ends = [...edges, ...edges.map((edge) => -edge), ...edges.map((edge) => edge / 2n), min, max].filter(
    (edge) => edge >= min && edge <= max,
  );
  return fc.oneof(fc.constantFrom(...ends), fc.bigInt({ min, max }), fc.bigInt({ min: 0n, max: 300n < max ? 300n : max }));
}

const unsigned = (bits: bigint): fc.Arbitrary<bigint> => integer(0n, (1n << bits) - 1n);
const signed = (bits: bigint): fc.Arbitrary<bigint> => integer(-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n);

const integers: Readonly<Record<IntegerType, fc.Arbitrary<number | bigint>>> = {
  u8: unsigned(8n).map(Number),
  u16: unsigned(16n).map(Number),
  u32: unsigned(32n).map(Number),
  u64: unsigned(64n).map(narrow),
  u128: unsigned(128n),
  i32: signed(32n).map(Number),
  i64: signed(64n).map(narrow),
};

/** Mostly short; some long enough to be passed on by reference. */
const byteString = fc
  .oneof(
    { weight: 9, arbitrary: fc.uint8Array({ maxLength: 40 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 500, maxLength: 700, size: "max" }) },
  )
  .map((bytes) => new Uint8Array(bytes));

/** Well-formed text: plain, of any script, as an environment would hold it, and longer than the fast path for short text. */
const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 20 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "",
      "\ufeff",
      "__proto__",
      "7",
      "constructor",
      "é".repeat(24),
      "a".repeat(48),
      "a".repeat(49),
      "a".repeat(251),
    ),
  },
  { weight: 1, arbitrary: fc.string({ minLength: 40, maxLength: 600, size: "max" }) },
);

const ipText = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIp),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatIp),
  // Runs of zeros and mapped addresses are rare among random bytes.
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 0xffff), { minLength: 8, maxLength: 8 })
    .map((groups) => formatIp(Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])))),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((v4) => formatIp(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4]))),
);

function charactersOf(characters: string, constraints: { minLength: number; maxLength: number }): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...characters), ...constraints });
}

const tokenCharacters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
const number = fc.oneof(fc.nat({ max: 40 }).map(String), unsigned(64n).map(String));
const identifier = fc.oneof(number, charactersOf("abz-", { minLength: 1, maxLength: 4 }));
const identifiers = fc.array(identifier, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));

const grammars: Readonly<Record<TextGrammar, fc.Arbitrary<string>>> = {
  semver: fc
    .tuple(number, number, number, fc.option(identifiers), fc.option(identifiers))
    .map(
      ([major, minor, patch, pre, build]) =>
        `${major}.${minor}.${patch}${pre === null ? "" : `-${pre}`}${build === null ? "" : `+${build}`}`,
    ),
  httpMethod: fc.oneof(
    fc.constantFrom("GET", "POST", "get", "PURGE"),
    charactersOf(`${tokenCharacters}ABZ`, { minLength: 1, maxLength: 10 }),
  ),
  httpUri: fc.oneof(
    fc.constantFrom("*", "/", "http://a.example/", "https://[::1]:8443/x?y=z", "example.test:443"),
    charactersOf("ab/?=&%2Fé^|", { minLength: 0, maxLength: 20 }).map((tail) => `/${tail}`),
  ),
  httpVersion: fc.constantFrom("HTTP/0.9", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"),
};

const headerValue = fc
  .array(
    fc.integer({ min: 0x20, max: 0xff }).map((byte) => (byte === 0x7f ? 0x09 : byte)),
    { maxLength: 30 },
  )
  .map((bytes) => Uint8Array.from(bytes));
const httpHeaders = fc.uniqueArray(
  fc.tuple(charactersOf(tokenCharacters, { minLength: 1, maxLength: 12 }), fc.array(headerValue, { maxLength: 3 })),
  { selector: ([name]) => name, maxLength: 5 },
);
