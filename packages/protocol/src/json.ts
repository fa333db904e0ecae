// Values of any codec as JSON and back, in the form that recorded vectors use: names as the protocol spells them (snake case fields,
// capitalised variants), bytes as `{"$hex": …}`, integers beyond 2^53 − 1 as `{"$int": …}`.

import { hexToBytes, toHex } from "./hex.ts";
import { formatSocketAddr, parseSocketAddr, type SocketAddr } from "./netAddress.ts";
import type { HttpHeaders } from "./httpParts.ts";
import type { Result } from "./composites.ts";
import { narrow } from "./primitives.ts";
import type { AnyCodec, VariantShape } from "./shape.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The JSON form of a value that `codec` reads. */
export function toJson({ shape }: AnyCodec, value: unknown): Json {
  switch (shape.kind) {
    case "unit":
      return null;
    case "bool":
    case "text":
    case "ipAddr":
    case "httpStatus":
      return value as Json;
    case "integer":
      return typeof value === "bigint" ? bigToJson(value) : (value as number);
    case "bytes":
      return { $hex: toHex(value as Uint8Array) };
    case "uid":
      return uuidText(value as bigint);
    case "socketAddr":
      return formatSocketAddr(value as SocketAddr);
    case "httpHeaders":
      return (value as HttpHeaders).map(([name, values]) => [name, values.map((one) => ({ $hex: toHex(one) }))]);
    case "option":
      return value === null ? null : toJson(shape.item(), value);
    case "list":
    case "set":
    case "array":
      return Array.from(value as Iterable<unknown>, (item) => toJson(shape.item(), item));
    case "lazy":
      return toJson(shape.item(), value);
    case "map":
      return Object.fromEntries(Array.from(value as ReadonlyMap<string, unknown>, ([key, item]) => [key, toJson(shape.value, item)]));
    case "result": {
      const { kind, value: inner } = value as Result<unknown, unknown>;
      return kind === "ok" ? { Ok: toJson(shape.ok, inner) } : { Err: toJson(shape.err, inner) };
    }
    case "struct": {
      const fields = value as Readonly<Record<string, unknown>>;
      return Object.fromEntries(shape.fields.map(([name, codec]) => [snakeCase(name), toJson(codec, fields[name])]));
    }
    case "enumeration":
      return capitalised(value as string);
    case "union": {
      const { kind, value: inner } = value as { kind: string; value?: unknown };
      const { payload } = variantOf(shape.variants, kind);
      const name = capitalised(kind);
      if (payload.length === 0) return name;
      if (payload.length === 1) return { [name]: toJson(payload[0]!, inner) };
      return { [name]: payload.map((codec, i) => toJson(codec, (inner as readonly unknown[])[i])) };
    }
  }
}

/**
 * The value of a JSON form.
 * @throws TypeError when the JSON is not of the codec's form.
 */
export function fromJson({ shape }: AnyCodec, json: Json): unknown {
  switch (shape.kind) {
    case "unit":
      return null;
    case "bool":
    case "text":
    case "ipAddr":
    case "httpStatus":
      return json;
    case "integer":
      return integerOf(json, shape.type === "u128");
    case "bytes":
      return hexOf(json);
    case "uid":
      return BigInt(`0x${textOf(json).replaceAll("-", "")}`);
    case "socketAddr":
      return parseSocketAddr(textOf(json)) ?? refuse(json, "a socket address");
    case "httpHeaders":
      return listOf(json).map((entry) => {
        const [name, values] = listOf(entry);
        return [name, listOf(values ?? null).map(hexOf)];
      });
    case "option":
      return json === null ? null : fromJson(shape.item(), json);
    case "list":
    case "array":
      return listOf(json).map((item) => fromJson(shape.item(), item));
    case "set":
      return new Set(listOf(json).map((item) => fromJson(shape.item(), item)));
    case "lazy":
      return fromJson(shape.item(), json);
    case "map":
      return new Map(Object.entries(objectOf(json)).map(([key, item]) => [key, fromJson(shape.value, item)]));
    case "result": {
      const object = objectOf(json);
      return "Ok" in object
        ? { kind: "ok", value: fromJson(shape.ok, object["Ok"] ?? null) }
        : { kind: "err", value: fromJson(shape.err, object["Err"] ?? null) };
    }
    case "struct": {
      const object = objectOf(json);
      return Object.fromEntries(
        shape.fields.map(([name, codec]) => [name, fromJson(codec, object[snakeCase(name)] ?? absent(codec, snakeCase(name), object))]),
      );
    }
    case "enumeration":
      return shape.values.find((name) => capitalised(name) === json) ?? refuse(json, `a variant of ${shape.name}`);
    case "union": {
      const name = typeof json === "string" ? json : (Object.keys(objectOf(json))[0] ?? "");
      const { kind, payload } = shape.variants.find((one) => capitalised(one.kind) === name) ?? refuse(json, `a variant of ${shape.name}`);
      if (payload.length === 0) return { kind };
      const inner = objectOf(json)[name] ?? null;
      if (payload.length === 1) return { kind, value: fromJson(payload[0]!, inner) };
      return { kind, value: payload.map((codec, i) => fromJson(codec, listOf(inner)[i] ?? null)) };
    }
  }
}

function variantOf(variants: readonly VariantShape[], kind: string): VariantShape {
  return variants.find((variant) => variant.kind === kind) ?? refuse(kind, "a known variant");
}

/** `null` is the form of an absent optional member and of a unit, and of nothing else. */
function absent(codec: AnyCodec, name: string, object: Readonly<Record<string, Json>>): null {
  const mayBeNull = codec.shape.kind === "option" || codec.shape.kind === "unit";
  return mayBeNull && name in object ? null : refuse(object, `an object with ${name}`);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function bigToJson(value: bigint): Json {
  const plain = narrow(value);
  return typeof plain === "number" ? plain : { $int: plain.toString() };
}

function integerOf(json: Json, isAlwaysBig: boolean): number | bigint {
  const wide = typeof json === "number" ? BigInt(json) : BigInt(textOf(objectOf(json)["$int"] ?? null));
  return isAlwaysBig ? wide : narrow(wide);
}

function uuidText(value: bigint): string {
  const hex = value.toString(16).padStart(32, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function hexOf(json: Json): Uint8Array {
  return hexToBytes(textOf(objectOf(json)["$hex"] ?? null)) ?? refuse(json, "bytes in hexadecimal");
}

function textOf(json: Json): string {
  return typeof json === "string" ? json : refuse(json, "a text");
}

function listOf(json: Json): readonly Json[] {
  return Array.isArray(json) ? (json as readonly Json[]) : refuse(json, "an array");
}

function objectOf(json: Json): Readonly<Record<string, Json>> {
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? (json as Readonly<Record<string, Json>>)
    : refuse(json, "an object");
}

function refuse(json: Json, expected: string): never {
  throw new TypeError(`expected ${expected}, found ${JSON.stringify(json).slice(0, 200)}`);
}
