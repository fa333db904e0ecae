// Header fields as HTTP/2 has them: a list, in order, of names in lower case and values, where pseudo headers are fields like others. Texts have one character a byte.

/** `isSensitive`: whoever passes it on must not put it into a compression table (RFC 7541 §7.1.3). */
export type Field = readonly [name: string, value: string, isSensitive?: true];

/** What a field counts for in limits, beyond its characters (RFC 7541 §4.1). */
export const FIELD_OVERHEAD_BYTES = 32;

export function fieldBytes(field: Field): number {
  return field[0].length + field[1].length + FIELD_OVERHEAD_BYTES;
}

/** The value of the first field of that name. */
export function fieldValue(fields: readonly Field[], name: string): string | undefined {
  for (const field of fields) if (field[0] === name) return field[1];
  return undefined;
}
