// The form that header fields have on the wire to clients, built from scanned fields.

import type { HttpHeaders } from "@understudy/protocol";
import { latin1 } from "./byteClasses.ts";
import type { FieldTable } from "./fieldTable.ts";

/** Groups the fields by name. The values are views of `bytes`. `start` and `length` say where in it the head lies. */
export function groupedHeaders(bytes: Uint8Array, start: number, length: number, fields: FieldTable): HttpHeaders {
  // One text for all names; lower case changes no length in Latin-1.
  const text = latin1(bytes, start, start + length).toLowerCase();
  const groups = new Map<string, Uint8Array[]>();
  for (let i = 0; i < fields.count; i++) {
    const name = text.slice(fields.nameStart(i), fields.nameEnd(i));
    const value = bytes.subarray(start + fields.valueStart(i), start + fields.valueEnd(i));
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [value]);
    else group.push(value);
  }
  return [...groups];
}
