// Which bytes may stand where in HTTP/1 messages (RFC 9110 §5, RFC 9112 §3), as a table for one look-up a byte.
// Holds no parsing; the scanners and the writer of heads share it.

/** Byte of a token: methods, header names. */
export const TOKEN = 1;
/** Byte of a header value: tab, space, visible ASCII, 0x80–0xff. */
export const FIELD_VALUE = 2;
/** Byte of a request target as the wire's HttpUri allows it: visible ASCII but `#`, `<`, `>` and backquote, and 0x80–0xff. */
export const TARGET = 4;
/** Byte of a Host value or authority. Userinfo (`@`), lists and path bytes are not. */
export const AUTHORITY = 8;
/** Visible ASCII, space and tab: what a filter may see of a value. */
export const VISIBLE = 16;
export const HEX_DIGIT = 32;

function classify(byte: number): number {
  const text = String.fromCharCode(byte);
  let classes = 0;
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(text)) classes |= TOKEN;
  if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) classes |= FIELD_VALUE;
  if (byte > 0x20 && byte !== 0x7f && !/[#<>`]/.test(text)) classes |= TARGET;
  if (/[-._~!$&'()*+;=:[\]%0-9A-Za-z]/.test(text)) classes |= AUTHORITY;
  if (byte === 0x09 || (byte >= 0x20 && byte < 0x7f)) classes |= VISIBLE;
  if (/[0-9A-Fa-f]/.test(text)) classes |= HEX_DIGIT;
  return classes;
}

/** Classes of each byte, as a bit set of the constants above. Never written after it was built. */
export const byteClasses: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => classify(byte));

/**
 * Whether `bytes[start, end)` spells `lowerName`, which is lower-case ASCII letters, digits and `-`, in any case.
 * The range must hold token bytes only: then OR-ing the case bit confuses nothing.
 */
export function tokenEquals(bytes: Uint8Array, start: number, end: number, lowerName: string): boolean {
  if (end - start !== lowerName.length) return false;
  for (let i = 0; i < lowerName.length; i++) {
    if ((bytes[start + i]! | 0x20) !== lowerName.charCodeAt(i)) return false;
  }
  return true;
}

/** Node's own method, which its types leave out. It takes any bytes: no Buffer has to be made of them first. */
const { latin1Slice } = Buffer.prototype as unknown as { readonly latin1Slice: (this: Uint8Array, start: number, end: number) => string };

/** Text of a byte range, one character a byte. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end);
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A decimal of more digits may not fit in a double without loss. */
const DECIMAL_MAX_DIGITS = 15;

/** The number that `bytes[start, end)` spells in 1 to 15 digits; -1 for anything else. */
export function decimal(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > DECIMAL_MAX_DIGITS) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Whether every byte of the range has all of `classes`. */
export function allInClass(bytes: Uint8Array, start: number, end: number, classes: number): boolean {
  const table = byteClasses;
  for (let i = start; i < end; i++) {
    if ((table[bytes[i]!]! & classes) !== classes) return false;
  }
  return true;
}
