// What a codec says about itself, so that tools can walk any type without knowing it.

import type { Codec } from "./codec.ts";

/* Tools convert values of any type; what the value is follows from the shape. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyCodec = Codec<any>;

export type IntegerType = "u8" | "u16" | "u32" | "u64" | "u128" | "i32" | "i64";

/** Texts that must obey a grammar beside being UTF-8. */
export type TextGrammar = "semver" | "httpMethod" | "httpUri" | "httpVersion";

/** One variant of a union: no payload, one value, or several. */
export interface VariantShape {
  readonly kind: string;
  readonly payload: readonly AnyCodec[];
  /** Protocol version that added it; null for those that were always there. */
  readonly since: string | null;
}

export type Shape =
  | { readonly kind: "unit" | "bool" | "bytes" | "uid" | "ipAddr" | "socketAddr" | "httpStatus" | "httpHeaders" }
  | { readonly kind: "integer"; readonly type: IntegerType }
  | { readonly kind: "text"; readonly grammar: TextGrammar | null }
  | { readonly kind: "option" | "list" | "set" | "lazy"; readonly item: () => AnyCodec }
  | { readonly kind: "array"; readonly item: () => AnyCodec; readonly length: number }
  | { readonly kind: "map"; readonly key: AnyCodec; readonly value: AnyCodec }
  | { readonly kind: "result"; readonly ok: AnyCodec; readonly err: AnyCodec }
  | { readonly kind: "struct"; readonly fields: readonly (readonly [string, AnyCodec])[] }
  | { readonly kind: "enumeration"; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: "union"; readonly name: string; readonly variants: readonly VariantShape[] };
