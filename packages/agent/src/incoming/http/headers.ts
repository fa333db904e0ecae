// The form that header fields have on the wire to clients, built from scanned fields.

import type { HttpHeaders } from "@understudy/protocol";
import { latin1 } from "./byteClasses.ts";
import type { FieldTable } from "./fieldTable.ts";

type Group = [name: string, values: Uint8Array[]];

/** Up to so many fields, looking through the groups is quicker than a map of them. */
const FEW_FIELDS = 16;

/** Groups the fields by name. The values are views of `bytes`. `start` and `length` say where in it the head lies. */
export function groupedHeaders(bytes: Uint8Array, start: number, length: number, fields: FieldTable): HttpHeaders {
  // One text for all names; lower case changes no length in Latin-1.
  const text = latin1(bytes, start, start + length).toLowerCase();
  const groups: Group[] = [];
  const byName = fields.count > FEW_FIELDS ? new Map<string, Group>() : null;
  for (let i = 0; i < fields.count; i++) {
    const name = text.slice(fields.nameStart(i), fields.nameEnd(i));
    const value = bytes.subarray(start + fields.valueStart(i), start + fields.valueEnd(i));
    const known = byName === null ? groupNamed(groups, name) : byName.get(name);
    if (known !== undefined) {
      known[1].push(value);
      continue;
    }
    const group: Group = [name, [value]];
    groups.push(group);
    byName?.set(name, group);
  }
  return groups;
}

function groupNamed(groups: readonly Group[], name: string): Group | undefined {
  for (let i = 0; i < groups.length; i++) if (groups[i]![0] === name) return groups[i];
  return undefined;
}
