// Writes fields as a header block (RFC 7541), with the static table only: no state, so no table for each connection and nothing that could get out of step. Blocks are
// somewhat longer for it; on the way to a target on the same machine that costs nothing.

import type { Field } from "./fields.ts";
import { STATIC_TABLE } from "./staticTable.ts";

/** First index of each name. */
const NAME_INDEX = new Map<string, number>();
/** Indexes of the names that the table has several values for, by value. */
const VALUE_INDEX = new Map<string, Map<string, number>>();
for (let i = STATIC_TABLE.length - 1; i > 0; i--) {
  const [name, value] = STATIC_TABLE[i]!;
  NAME_INDEX.set(name, i);
  if (value === "") continue;
  if (!VALUE_INDEX.has(name)) VALUE_INDEX.set(name, new Map());
  VALUE_INDEX.get(name)!.set(value, i);
}

/** Bytes for lengths and indexes of one literal field at most, with texts below 2^28 bytes. */
const LITERAL_OVERHEAD_BYTES = 16;

/** No block of these fields is longer. */
export function blockMaxBytes(fields: readonly Field[]): number {
  // The one is for a change of the table's size.
  let sum = 1;
  for (const field of fields) sum += field[0].length + field[1].length + LITERAL_OVERHEAD_BYTES;
  return sum;
}

/**
 * Writes a block to `out` from `start` on, where `blockMaxBytes` are free; returns where it ends. Texts must have characters below 256 only.
 * `emptiesTable`: begins with the announcement that the table is not used, which the other side may expect after it changed the table's size.
 */
export function encodeBlock(fields: readonly Field[], out: Buffer, start: number, emptiesTable: boolean): number {
  let at = start;
  if (emptiesTable) out[at++] = 0x20;
  for (const field of fields) at = encodeField(field, out, at);
  return at;
}

function encodeField([name, value, isSensitive]: Field, out: Buffer, start: number): number {
  const index = VALUE_INDEX.get(name)?.get(value);
  if (index !== undefined && isSensitive !== true) {
    out[start] = 0x80 | index;
    return start + 1;
  }
  const nameIndex = NAME_INDEX.get(name) ?? 0;
  let at = writeInteger(nameIndex, 4, isSensitive === true ? 0x10 : 0, out, start);
  if (nameIndex === 0) at = writeString(name, out, at);
  return writeString(value, out, at);
}

function writeString(text: string, out: Buffer, start: number): number {
  const at = writeInteger(text.length, 7, 0, out, start);
  return at + out.write(text, at, "latin1");
}

function writeInteger(value: number, prefixBits: number, firstBits: number, out: Buffer, start: number): number {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    out[start] = firstBits | value;
    return start + 1;
  }
  out[start] = firstBits | mask;
  let at = start + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}
