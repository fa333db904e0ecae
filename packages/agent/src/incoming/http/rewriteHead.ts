// Replaces header values in a head that is otherwise passed on byte for byte: order, spelling and white space of
// everything else stay as they came. It does not look at what the headers mean.

import { FIELD_VALUE, TOKEN, allInClass, tokenEquals } from "./byteClasses.ts";
import type { FieldTable } from "./fieldTable.ts";

/** A header to set, made once by `headerEdit` and used for many heads. */
export interface HeaderEdit {
  readonly lowerName: string;
  /** Name of the headers that it takes the place of; empty where it comes in addition. */
  readonly replaces: string;
  readonly value: Uint8Array;
  /** `name: value` with its line end, for heads that have no such header. */
  readonly line: Uint8Array;
}

/** @throws TypeError when the name is not lower-case or name or value hold bytes that a header may not. */
export function headerEdit(lowerName: string, value: string): HeaderEdit {
  return edit(lowerName, value, lowerName);
}

/** A header to add to those of its name. @throws TypeError as `headerEdit`. */
export function headerAddition(lowerName: string, value: string): HeaderEdit {
  return edit(lowerName, value, "");
}

function edit(lowerName: string, value: string, replaces: string): HeaderEdit {
  const name = Buffer.from(lowerName, "latin1");
  const bytes = Buffer.from(value, "latin1");
  const isSafe =
    name.length > 0 &&
    lowerName === lowerName.toLowerCase() &&
    allInClass(name, 0, name.length, TOKEN) &&
    allInClass(bytes, 0, bytes.length, FIELD_VALUE);
  if (!isSafe) throw new TypeError(`not a header: ${JSON.stringify(`${lowerName}: ${value}`)}`);
  return { lowerName, replaces, value: bytes, line: Buffer.concat([name, Buffer.from(": "), bytes, Buffer.from("\r\n")]) };
}

/** What is needed of a complete head; `RequestHead` and `ResponseHead` are both that. */
export interface ScannedHead {
  readonly start: number;
  readonly length: number;
  readonly fields: FieldTable;
}

/**
 * A new buffer with the head and each edit applied: the value of the first header of that name is replaced, further
 * ones are dropped, and where there is none a line is added before the empty line, in the order of `edits`.
 */
export function rewriteHead(bytes: Uint8Array, head: ScannedHead, edits: readonly HeaderEdit[]): Uint8Array {
  const { fields, start, length } = head;
  let room = length;
  for (const { line } of edits) room += line.length;
  const out = Buffer.allocUnsafe(room);
  let written = 0;
  let copied = 0;
  const copyTo = (position: number): void => {
    out.set(bytes.subarray(start + copied, start + position), written);
    written += position - copied;
  };
  // One bit for each edit whose header was met.
  let met = 0;
  for (let i = 0; i < fields.count; i++) {
    const nameStart = fields.nameStart(i);
    const nameEnd = fields.nameEnd(i);
    for (let e = 0; e < edits.length; e++) {
      const one = edits[e]!;
      if (nameEnd - nameStart !== one.replaces.length) continue;
      if (!tokenEquals(bytes, start + nameStart, start + nameEnd, one.replaces)) continue;
      if ((met & (1 << e)) === 0) {
        met |= 1 << e;
        copyTo(fields.valueStart(i));
        out.set(one.value, written);
        written += one.value.length;
        copied = fields.valueEnd(i);
      } else {
        copyTo(nameStart);
        copied = i + 1 < fields.count ? fields.nameStart(i + 1) : length - 2;
      }
      break;
    }
  }
  copyTo(length - 2);
  for (let e = 0; e < edits.length; e++) {
    if ((met & (1 << e)) !== 0) continue;
    out.set(edits[e]!.line, written);
    written += edits[e]!.line.length;
  }
  out[written++] = 0x0d;
  out[written++] = 0x0a;
  return out.subarray(0, written);
}
