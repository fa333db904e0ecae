// Turns header blocks into fields (RFC 7541). It keeps the table that the other side builds up, so every block must come through it, also those that nobody wants.

import { latin1 } from "../http/byteClasses.ts";
import { type Field, fieldBytes } from "./fields.ts";
import { ConnectionError, ErrorCode } from "./errors.ts";
import { decodeHuffman, decodedMaxBytes } from "./huffman.ts";
import { STATIC_TABLE } from "./staticTable.ts";

/** Entries that have left the table stay in its array until there are so many of them. */
const COMPACT_AT = 256;
/** No length and no index comes near; it keeps sums exact. */
const MAX_INTEGER = 2 ** 28;

export class HpackDecoder {
  /** Largest table that the other side may use, in bytes. */
  readonly #tableLimit: number;
  #tableMax: number;
  #tableBytes = 0;
  /** Oldest first; those before `#first` have left. */
  #table: Field[] = [];
  #first = 0;
  // The block that is being read.
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  constructor(tableLimit: number) {
    this.#tableLimit = tableLimit;
    this.#tableMax = tableLimit;
  }

  /**
   * The fields of a whole block, `bytes[start, end)`; null when they are more than `maxBytes` by the measure of RFC 9113 §6.5.2. Nothing in the result refers to `bytes`.
   * @throws ConnectionError when it is no header block. The table is of no use any more then.
   */
  decode(bytes: Uint8Array, start: number, end: number, maxBytes: number): Field[] | null {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    const fields: Field[] = [];
    let size = 0;
    let mayResize = true;
    while (this.#at < end) {
      const first = bytes[this.#at]!;
      if ((first & 0xe0) === 0x20) {
        if (!mayResize) throw malformed("table size change inside a block");
        this.#resize(this.#integer(5));
        continue;
      }
      mayResize = false;
      const field = (first & 0x80) !== 0 ? this.#entry(this.#integer(7)) : this.#literal(first);
      size += fieldBytes(field);
      if (size <= maxBytes) fields.push(field);
    }
    return size <= maxBytes ? fields : null;
  }

  #literal(first: number): Field {
    const isIndexed = (first & 0x40) !== 0;
    const index = this.#integer(isIndexed ? 6 : 4);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    const value = this.#string();
    const isSensitive = (first & 0xf0) === 0x10;
    const field: Field = isSensitive ? [name, value, true] : [name, value];
    if (isIndexed) this.#add(field);
    return field;
  }

  #entry(index: number): Field {
    if (index === 0) throw malformed("index 0");
    if (index < STATIC_TABLE.length) return STATIC_TABLE[index]!;
    const at = this.#table.length - 1 - (index - STATIC_TABLE.length);
    if (at < this.#first) throw malformed(`index ${index} beyond the table`);
    return this.#table[at]!;
  }

  #add(field: Field): void {
    this.#evict(fieldBytes(field));
    // One that is larger than the table only empties it.
    if (fieldBytes(field) > this.#tableMax) return;
    this.#table.push(field);
    this.#tableBytes += fieldBytes(field);
  }

  #resize(bytes: number): void {
    if (bytes > this.#tableLimit) throw malformed(`table of ${bytes} bytes, at most ${this.#tableLimit} are allowed`);
    this.#tableMax = bytes;
    this.#evict(0);
  }

  #evict(neededBytes: number): void {
    while (this.#first < this.#table.length && this.#tableBytes + neededBytes > this.#tableMax) {
      this.#tableBytes -= fieldBytes(this.#table[this.#first]!);
      this.#first += 1;
    }
    if (this.#first < COMPACT_AT) return;
    this.#table = this.#table.slice(this.#first);
    this.#first = 0;
  }

  /** An integer whose first byte has `prefixBits` of it (RFC 7541 §5.1). */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (value > MAX_INTEGER || shift > 28) throw malformed("integer too large");
      if ((byte & 0x80) === 0) return value;
    }
  }

  #string(): string {
    if (this.#at >= this.#end) throw malformed("block ends inside a field");
    const isHuffman = (this.#bytes[this.#at]! & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw malformed("string longer than its block");
    this.#at = end;
    if (!isHuffman) return latin1(this.#bytes, start, end);
    const out = Buffer.allocUnsafe(decodedMaxBytes(length));
    const decoded = decodeHuffman(this.#bytes, start, end, out);
    if (decoded < 0) throw malformed("bad Huffman code");
    return latin1(out, 0, decoded);
  }

  #byte(): number {
    if (this.#at >= this.#end) throw malformed("block ends inside a field");
    return this.#bytes[this.#at++]!;
  }
}

function malformed(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.compressionError, `malformed header block: ${what}`);
}
