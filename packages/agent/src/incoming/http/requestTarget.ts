// The four forms of a request target (RFC 9112 §3.2) and where its path lies. Only what filters and safety need:
// nothing is decoded or normalised.

import { AUTHORITY, byteClasses } from "./byteClasses.ts";
import type { FieldTable } from "./fieldTable.ts";

export type TargetForm = "origin" | "absolute" | "authority" | "asterisk";

type Judged = { readonly kind: TargetForm } | { readonly kind: "unsafe"; readonly reason: string };

/** The parts of a request head that are looked at. */
export interface TargetHead {
  readonly start: number;
  readonly targetStart: number;
  readonly targetEnd: number;
  readonly isConnect: boolean;
  readonly methodStart: number;
  readonly methodEnd: number;
  readonly fields: FieldTable;
}

const SLASH = 0x2f;
const COLON = 0x3a;
const QUESTION = 0x3f;
const ORIGIN: Judged = { kind: "origin" };

/** Form of the target; "unsafe" when servers may disagree on what is asked, or of whom. */
export function targetForm(bytes: Uint8Array, head: TargetHead): Judged {
  const start = head.start + head.targetStart;
  const end = head.start + head.targetEnd;
  if (head.isConnect) {
    return isAuthority(bytes, start, end) ? { kind: "authority" } : { kind: "unsafe", reason: "CONNECT target is no authority" };
  }
  if (bytes[start] === SLASH) return ORIGIN;
  if (end - start === 1 && bytes[start] === 0x2a) return { kind: "asterisk" };
  const authority = authorityStart(bytes, start, end);
  if (authority < 0) return { kind: "unsafe", reason: "malformed request target" };
  const stop = authorityEnd(bytes, authority, end);
  if (!isAuthority(bytes, authority, stop)) return { kind: "unsafe", reason: "malformed authority in the target" };
  const host = head.fields.hostIndex;
  if (host >= 0) {
    const hostStart = head.start + head.fields.valueStart(host);
    const hostEnd = head.start + head.fields.valueEnd(host);
    if (!sameText(bytes, authority, stop, hostStart, hostEnd)) {
      return { kind: "unsafe", reason: "host header differs from the target" };
    }
  }
  return { kind: "absolute" };
}

/**
 * Start of the path in an absolute target, as an index into `bytes`: at `/` or `?`, or `end` where it has neither.
 */
export function absolutePathStart(bytes: Uint8Array, start: number, end: number): number {
  const authority = authorityStart(bytes, start, end);
  return authority < 0 ? end : authorityEnd(bytes, authority, end);
}

/** First byte after `scheme://`; -1 when it does not begin so. */
function authorityStart(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isSchemeByte(bytes[at]!, at === start)) at++;
  const hasScheme = at > start && at - start <= 64;
  if (!hasScheme || bytes[at] !== COLON || bytes[at + 1] !== SLASH || bytes[at + 2] !== SLASH) return -1;
  return at + 3 <= end ? at + 3 : -1;
}

function authorityEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== SLASH && bytes[at] !== QUESTION) at++;
  return at;
}

function isSchemeByte(byte: number, isFirst: boolean): boolean {
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  return !isFirst && ((byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e);
}

function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return false;
  for (let i = start; i < end; i++) {
    if ((byteClasses[bytes[i]!]! & AUTHORITY) === 0) return false;
  }
  return true;
}

/** Equality without regard to the case of ASCII letters. */
function sameText(bytes: Uint8Array, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let i = 0; i < end - start; i++) {
    if (lower(bytes[start + i]!) !== lower(bytes[otherStart + i]!)) return false;
  }
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
