// The parts of HTTP messages that the wire carries as text or bytes, and what makes them valid. The rules are those of the peers,
// which are looser than RFC 9110 and RFC 3986 in places.

import { type Codec, type Resumable, resumeItem } from "./codec.ts";
import { EncodeError, ProtocolError } from "./protocolError.ts";
import { bytes as byteString, checkedText, text, u64 } from "./primitives.ts";
import { list } from "./composites.ts";
import { type Reader, WIDEST_U16 } from "./reader.ts";
import { small } from "./codec.ts";
import { checkRange } from "./writer.ts";

/** Distinct names in order of first appearance, lower case, each with all its values. Values are bytes, not text. */
export type HttpHeaders = readonly (readonly [name: string, values: readonly Uint8Array[]])[];

/** More names than this are refused by every peer. */
const MAX_HEADER_NAMES = 24576;
const MAX_HEADER_NAME_LENGTH = 65535;
const MAX_URI_BYTES = 65534;
const HEADER_OVERHEAD = 64;
const FEW_NAMES = 16;

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const httpVersions = new Set(["HTTP/0.9", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"]);

const quoted = (value: string): string => JSON.stringify(value.slice(0, 200));

/** A method token; case is kept. */
export const httpMethod: Codec<string> = checkedText("httpMethod", (value) =>
  token.test(value) ? null : `not an HTTP method: ${quoted(value)}`,
);

export const httpVersion: Codec<string> = checkedText("httpVersion", (value) =>
  httpVersions.has(value) ? null : `not an HTTP version: ${quoted(value)}`,
);

/** A request target in any of its four forms. */
export const httpUri: Codec<string> = checkedText("httpUri", (value) => (isHttpUri(value) ? null : `not a URI: ${quoted(value)}`));

/** 100 to 999. */
export const httpStatus: Codec<number> = small(
  { kind: "httpStatus" },
  1,
  (out, value) => {
    checkRange(value, 100, 999, "HTTP status");
    out.varint(value);
  },
  (input) => {
    const status = input.smallVarint(WIDEST_U16, "HTTP status");
    if (status < 100 || status > 999) throw new ProtocolError("malformed", `HTTP status ${status} is outside 100 to 999`);
    return status;
  },
);

export const httpHeaders: Codec<HttpHeaders> = {
  shape: { kind: "httpHeaders" },
  minBytes: 1,
  isSmall: false,
  write(out, headers) {
    out.varint(headers.length);
    for (const [name, values] of headers) {
      const wrong = headerProblem(name, values);
      if (wrong !== null) throw new EncodeError(wrong);
      out.text(name);
      out.varint(values.length);
      for (const value of values) out.bytes(value);
    }
  },
  read(input) {
    const headers = new HeaderCollector();
    for (let left = readCount(input); left > 0; left--) headers.add(input, text.read(input), valueList.read(input));
    return headers.entries;
  },
  *resume(input): Resumable<HttpHeaders> {
    const headers = new HeaderCollector();
    for (let left = checkCount(yield* resumeItem(u64, input)); left > 0; left--) {
      const name = yield* resumeItem(text, input);
      headers.add(input, name, yield* resumeItem(valueList, input));
    }
    return headers.entries;
  },
};

const valueList = list(byteString);

function readCount(input: Reader): number {
  return checkCount(input.varint64("header names"));
}

function checkCount(declared: number | bigint): number {
  if (declared > MAX_HEADER_NAMES) throw new ProtocolError("malformed", `${declared} header names exceed ${MAX_HEADER_NAMES}`);
  return Number(declared);
}

/** Builds the list as the reference does: names in lower case; a repeated name replaces the earlier one when it has one value, and adds to it otherwise. */
class HeaderCollector {
  readonly entries: [string, Uint8Array[]][] = [];
  /** Where the name is in `entries`; made when there are many. */
  #places: Map<string, number> | null = null;

  add(input: Reader, name: string, values: readonly Uint8Array[]): void {
    const wrong = headerProblem(name, values);
    if (wrong !== null) throw new ProtocolError("malformed", wrong);
    input.charge(HEADER_OVERHEAD);
    input.checkCost("headers");
    const key = name.toLowerCase();
    const place = this.#placeOf(key);
    if (place < 0) {
      this.#places?.set(key, this.entries.length);
      this.entries.push([key, [...values]]);
    } else if (values.length === 1) {
      this.entries[place] = [key, [...values]];
    } else {
      // In place: a copy for every repetition would be quadratic.
      for (const value of values) this.entries[place]![1].push(value);
    }
  }

  /** -1 for a new name. Looking through a few names is quicker than a map of them. */
  #placeOf(key: string): number {
    const { entries } = this;
    if (entries.length > FEW_NAMES) {
      this.#places ??= new Map(entries.map(([name], place) => [name, place]));
      return this.#places.get(key) ?? -1;
    }
    for (let i = 0; i < entries.length; i++) if (entries[i]![0] === key) return i;
    return -1;
  }
}

/** What is wrong with a header, without its value; null when nothing is. */
function headerProblem(name: string, values: readonly Uint8Array[]): string | null {
  if (name.length > MAX_HEADER_NAME_LENGTH || !token.test(name)) return `not a header name: ${quoted(name)}`;
  return values.every(isHeaderValue) ? null : `a value of header ${quoted(name)} holds a control byte`;
}

/** Tab, printable ASCII and every byte above it. */
export function isHeaderValue(value: Uint8Array): boolean {
  for (const byte of value) if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return false;
  return true;
}

/** A non-empty HTTP token (RFC 9110, 5.6.2). */
export function isToken(value: string): boolean {
  return token.test(value);
}

const path = /^[\x21\x22\x24-\x3b\x3d\x40-\x5f\x61-\x7e\u0080-\u{10ffff}]*$/u;
const query = /^[\x21\x24-\x3b\x3d\x3f-\x7e\u0080-\u{10ffff}]*$/u;
const scheme = /^[A-Za-z0-9+.~-]{0,64}$/;
const authority = /^[A-Za-z0-9._~!$&'()*+,;=:@[\]%-]+$/;

/** Whether peers accept a text as a request target: `*`, origin form, absolute form, or an authority alone. */
export function isHttpUri(value: string): boolean {
  if (value === "*") return true;
  if (utf8Length(value) > MAX_URI_BYTES) return false;
  if (value.startsWith("/")) return isPathAndQuery(value);
  const separator = value.indexOf("://");
  if (separator < 0 || !scheme.test(value.slice(0, separator))) return isAuthority(value);
  const rest = value.slice(separator + 3);
  const end = rest.search(/[/?#]|$/);
  return isAuthority(rest.slice(0, end)) && isPathAndQuery(rest.slice(end));
}

function isPathAndQuery(value: string): boolean {
  const [target] = splitOnce(value, "#");
  const [pathPart, queryPart] = splitOnce(target, "?");
  return path.test(pathPart) && query.test(queryPart);
}

/** As loose as the peers: ports and IPv6 literals are not parsed, only brackets, colons and escapes are counted. */
function isAuthority(value: string): boolean {
  if (!authority.test(value) || value.endsWith("@")) return false;
  const [open, close] = [value.indexOf("["), value.indexOf("]")];
  if (open !== value.lastIndexOf("[") || close !== value.lastIndexOf("]") || open < 0 !== close < 0 || open > close) return false;
  const parts = value.split(/[@\]]/);
  for (const part of parts) {
    if (count(part, ":") > 8) return false;
    if (part.includes("[") && part.slice(0, part.indexOf("[")).includes("%")) return false;
  }
  const last = parts.at(-1)!;
  return count(last, ":") <= 1 && !last.includes("%");
}

function splitOnce(value: string, separator: string): [string, string] {
  const at = value.indexOf(separator);
  return at < 0 ? [value, ""] : [value.slice(0, at), value.slice(at + 1)];
}

function count(value: string, character: string): number {
  return value.split(character).length - 1;
}

function utf8Length(value: string): number {
  let length = value.length;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    // Two more bytes for a unit of the basic plane above 0x7ff; the halves of a surrogate pair make two each.
    if (unit >= 0x80) length += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return length;
}
