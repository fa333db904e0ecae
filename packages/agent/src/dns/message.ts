// DNS messages, as far as a stub resolver needs them: one question out; the addresses or the name that answer it in.
// Pure, and safe to use on what a hostile server sends: the work for one answer is linear in its size (a name follows
// a limited number of pointers, records that do not matter are skipped unread), and every length is checked.
// Source: RFC 1035 section 4, RFC 2308 (negative answers), RFC 6891 (EDNS).

import { formatIp } from "@understudy/protocol";
import { malformedAnswer, responseCode } from "./lookupError.ts";

/** What can be asked for. */
export type QueryType = "A" | "AAAA" | "PTR";

/** One question. `name` is lower-case ASCII that passed `parseHostName`, without trailing dot. */
export interface Question {
  readonly name: string;
  readonly type: QueryType;
}

/** What a server says to one question. */
export type Answer =
  /** At least one record. */
  | {
      readonly kind: "records";
      /** Owner of the records, after CNAMEs; without trailing dot. */
      readonly owner: string;
      /** Canonical addresses, or the names of a PTR answer without trailing dot. */
      readonly data: readonly string[];
      readonly ttlSeconds: number;
    }
  /** No such record (`code` 0), no such name (3). `ttlSeconds` is 0 where the server does not say how long. */
  | { readonly kind: "none"; readonly code: number; readonly ttlSeconds: number }
  /** The server cannot answer. */
  | { readonly kind: "failed"; readonly code: number }
  /** Ask again over TCP. */
  | { readonly kind: "truncated" };

const typeNumbers = { A: 1, CNAME: 5, SOA: 6, PTR: 12, OPT: 41, AAAA: 28 } as const;
const classInternet = 1;
const headerBytes = 12;
const pointersPerNameMax = 64;
const nameBytesMax = 255;
const cnamesMax = 16;
/** More records of one answer are left out. */
const dataMax = 1024;
/** Size of UDP answers asked for with EDNS: passes every usual path without fragments. */
const ednsPayloadBytes = 1232;

/** The bytes of a query for `question`. */
export function encodeQuery({ name, type }: Question, id: number, edns: boolean): Buffer {
  const nameBytes = name.length + 2;
  const bytes = Buffer.alloc(headerBytes + nameBytes + 4 + (edns ? 11 : 0));
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(0x0100, 2); // recursion desired
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(edns ? 1 : 0, 10);
  let at = headerBytes;
  for (const label of name.split(".")) {
    bytes[at] = label.length;
    bytes.write(label, at + 1, "latin1");
    at += label.length + 1;
  }
  at += 1; // the root label
  bytes.writeUInt16BE(typeNumbers[type], at);
  bytes.writeUInt16BE(classInternet, at + 2);
  if (edns) {
    bytes.writeUInt16BE(typeNumbers.OPT, at + 5);
    bytes.writeUInt16BE(ednsPayloadBytes, at + 7);
  }
  return bytes;
}

/** The id of a message, or null where the bytes cannot be an answer. */
export function answerId(bytes: Buffer): number | null {
  return bytes.length >= headerBytes && (bytes.readUInt16BE(2) & 0x8000) !== 0 ? bytes.readUInt16BE(0) : null;
}

/**
 * Reads an answer whose id fits; null where it does not answer this question.
 * @throws RemoteError of kind `message` where it does, but makes no sense.
 */
export function decodeAnswer(bytes: Buffer, question: Question): Answer | null {
  const flags = bytes.readUInt16BE(2);
  const code = flags & 0xf;
  const isFailure = code !== responseCode.noError && code !== responseCode.nameError;
  const questions = bytes.readUInt16BE(4);
  // A server that did not understand the query may leave the question out.
  if (questions === 0 && isFailure) return { kind: "failed", code };
  if (questions !== 1) return null;
  const asked = readQuestion(bytes);
  if (asked === null || asked.name.toLowerCase() !== question.name || asked.type !== typeNumbers[question.type]) return null;
  if (isFailure) return { kind: "failed", code };
  if ((flags & 0x0200) !== 0) return { kind: "truncated" };
  return readRecords(bytes, asked.end, question, code);
}

function readQuestion(bytes: Buffer): { name: string; type: number; end: number } | null {
  try {
    const { text, end } = readName(bytes, headerBytes);
    if (end + 4 > bytes.length || bytes.readUInt16BE(end + 2) !== classInternet) return null;
    return { name: text, type: bytes.readUInt16BE(end), end: end + 4 };
  } catch {
    // Not an answer to anything that was asked.
    return null;
  }
}

function readRecords(bytes: Buffer, start: number, question: Question, code: number): Answer {
  const wanted = typeNumbers[question.type];
  const cnames = new Map<string, { target: string; ttl: number }>();
  const found = new Map<string, { owner: string; ttl: number; data: string[] }>();
  const counts = { answers: bytes.readUInt16BE(6), authorities: bytes.readUInt16BE(8) };

  let at = start;
  for (let i = 0; i < counts.answers; i++) {
    const record = readRecord(bytes, at);
    at = record.end;
    if (record.class !== classInternet) continue;
    if (record.type === typeNumbers.CNAME) {
      const owner = readName(bytes, record.start).text.toLowerCase();
      cnames.set(owner, { target: readName(bytes, record.dataStart).text, ttl: record.ttl });
    } else if (record.type === wanted) {
      const owner = readName(bytes, record.start).text;
      const key = owner.toLowerCase();
      let entry = found.get(key);
      if (entry === undefined) found.set(key, (entry = { owner, ttl: record.ttl, data: [] }));
      entry.ttl = Math.min(entry.ttl, record.ttl);
      if (entry.data.length < dataMax) entry.data.push(readData(bytes, record, question.type));
    }
  }

  // Only what the chain of aliases from the question leads to counts.
  let name = question.name;
  let ttlSeconds = Number.MAX_SAFE_INTEGER;
  for (let i = 0; i <= cnamesMax; i++) {
    const entry = found.get(name);
    if (entry !== undefined) {
      return { kind: "records", owner: entry.owner, data: entry.data, ttlSeconds: Math.min(ttlSeconds, entry.ttl) };
    }
    const alias = cnames.get(name);
    if (alias === undefined) break;
    name = alias.target.toLowerCase();
    ttlSeconds = Math.min(ttlSeconds, alias.ttl);
  }
  return { kind: "none", code, ttlSeconds: Math.min(ttlSeconds, negativeTtl(bytes, at, counts.authorities)) };
}

/** How long the absence holds, by the SOA record; 0 without one. */
function negativeTtl(bytes: Buffer, start: number, authorities: number): number {
  let at = start;
  for (let i = 0; i < authorities; i++) {
    const record = readRecord(bytes, at);
    at = record.end;
    // The minimum is the last of five numbers behind two names.
    if (record.type === typeNumbers.SOA && record.end - record.dataStart >= 22) {
      return Math.min(record.ttl, bytes.readUInt32BE(record.end - 4));
    }
  }
  return 0;
}

interface RecordPlace {
  readonly start: number;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly dataStart: number;
  readonly end: number;
}

function readRecord(bytes: Buffer, start: number): RecordPlace {
  const at = skipName(bytes, start);
  if (at + 10 > bytes.length) throw malformedAnswer("record is cut off");
  const end = at + 10 + bytes.readUInt16BE(at + 8);
  if (end > bytes.length) throw malformedAnswer("record is cut off");
  const ttl = bytes.readUInt32BE(at + 4);
  return {
    start,
    type: bytes.readUInt16BE(at),
    class: bytes.readUInt16BE(at + 2),
    // With the top bit set it counts as 0. Source: RFC 2181 section 8.
    ttl: ttl > 0x7fffffff ? 0 : ttl,
    dataStart: at + 10,
    end,
  };
}

function readData(bytes: Buffer, { dataStart, end }: RecordPlace, type: QueryType): string {
  if (type === "PTR") return readName(bytes, dataStart).text;
  if (end - dataStart !== (type === "A" ? 4 : 16)) throw malformedAnswer("address of a wrong length");
  return formatIp(bytes.subarray(dataStart, end));
}

/** Where the name at `start` ends in the message. */
function skipName(bytes: Buffer, start: number): number {
  for (let at = start; at < bytes.length;) {
    const length = bytes[at] ?? 0;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += length + 1;
  }
  throw malformedAnswer("name is cut off");
}

/** The name at `start`, without trailing dot; bytes that are not plain are written as `\ddd`. */
function readName(bytes: Buffer, start: number): { text: string; end: number } {
  const labels: string[] = [];
  let end: number | null = null;
  let at = start;
  let total = 0;
  let pointers = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) throw malformedAnswer("name is cut off");
    if (length === 0) return { text: labels.join("."), end: end ?? at + 1 };
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined || ++pointers > pointersPerNameMax) throw malformedAnswer("name with a bad pointer");
      end ??= at + 2;
      at = ((length & 0x3f) << 8) | low;
    } else {
      total += length + 1;
      if (length > 63 || total > nameBytesMax) throw malformedAnswer("name is too long");
      if (at + 1 + length > bytes.length) throw malformedAnswer("name is cut off");
      labels.push(labelText(bytes, at + 1, at + 1 + length));
      at += length + 1;
    }
  }
}

function labelText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("latin1", start, end);
  if (/^[A-Za-z0-9_-]*$/.test(text)) return text;
  return text.replaceAll(/[^!-~]|[.\\]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, "0")}`);
}
