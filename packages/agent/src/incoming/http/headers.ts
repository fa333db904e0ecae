// The form that header fields have on the wire to clients, built from scanned fields.

import type { HttpHeaders } from "@understudy/protocol";
import { latin1 } from "./byteClasses.ts";
import type { FieldTable } from "./fieldTable.ts";

/**
 * Groups the fields by name. The values are views of one copy of the head, so nothing in the result refers to the
 * receive buffer. `start` and `length` say where the head lies in `bytes`.
 */
export function groupedHeaders(bytes: Uint8Array, start: number, length: number, fields: FieldTable): HttpHeaders {
  // Not `slice`: on a Buffer that is a view.
  const copy = new Uint8Array(bytes.subarray(start, start + length));
  // One text for all names; lower case changes no length in Latin-1.
  const text = latin1(copy, 0, length).toLowerCase();
  const groups = new Map<string, Uint8Array[]>();
  for (let i = 0; i < fields.count; i++) {
    const name = text.slice(fields.nameStart(i), fields.nameEnd(i));
    const value = copy.subarray(fields.valueStart(i), fields.valueEnd(i));
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [value]);
    else group.push(value);
  }
  return [...groups];
}
