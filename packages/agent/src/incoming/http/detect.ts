// Judges from the first bytes of a connection whether it speaks HTTP. Looks at no more than one request line;
// reading, timeouts and what to do with the verdict belong to the caller.

import { TARGET, TOKEN, byteClasses } from "./byteClasses.ts";

/** "undecided": everything so far is compatible with HTTP, but it needs more bytes. */
export type Verdict = "http1" | "http2" | "other" | "undecided";

/** First 14 bytes of the HTTP/2 connection preface (RFC 9113 §3.4). */
const PREFACE = "PRI * HTTP/2.0";
const VERSION_PREFIX = "HTTP/1.";
const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;

/** Empty lines before the request line that are forgiven (RFC 9112 §2.2 asks for at least one). */
export const MAX_LEADING_LINES = 2;
/** More undecided bytes than this are not HTTP: a longer target is refused by every server anyway. */
export const MAX_UNDECIDED_BYTES = 16 * 1024;
/** No registered method comes near; a longer first word is some other protocol. */
const MAX_METHOD_BYTES = 64;

/**
 * Judges `bytes[0, length)`, all that the peer sent so far. The verdict for a prefix is never contradicted by more
 * bytes, except that "undecided" is settled. The cost is linear in what is given; call it once a read.
 */
export function judge(bytes: Uint8Array, length: number): Verdict {
  let at = 0;
  for (let lines = 0; at < length && bytes[at] === CR; lines++) {
    if (lines === MAX_LEADING_LINES) return "other";
    if (at + 1 === length) return "undecided";
    if (bytes[at + 1] !== LF) return "other";
    at += 2;
  }
  // The preface is exact: it begins the connection, and nothing may come before it.
  if (at === 0) {
    const common = commonPrefix(bytes, 0, length, PREFACE);
    if (common === PREFACE.length) return "http2";
    if (common === length) return "undecided";
  }
  const verdict = judgeRequestLine(bytes, at, Math.min(length, MAX_UNDECIDED_BYTES));
  return verdict === "undecided" && length >= MAX_UNDECIDED_BYTES ? "other" : verdict;
}

function judgeRequestLine(bytes: Uint8Array, start: number, end: number): Verdict {
  let at = start;
  while (at < end && (byteClasses[bytes[at]!]! & TOKEN) !== 0) at++;
  if (at - start > MAX_METHOD_BYTES) return "other";
  if (at === end) return "undecided";
  if (at === start || bytes[at] !== SP) return "other";
  while (at < end && bytes[at] === SP) at++;
  const target = at;
  // Here any visible byte passes: what a target may hold exactly is for the head scanner to judge.
  while (at < end && isVisible(bytes[at]!)) at++;
  if (at === end) return "undecided";
  if (at === target || bytes[at] !== SP) return "other";
  while (at < end && bytes[at] === SP) at++;
  const common = commonPrefix(bytes, at, end, VERSION_PREFIX);
  if (at + common === end) return "undecided";
  if (common < VERSION_PREFIX.length) return "other";
  const minor = bytes[at + common];
  return minor === 0x30 || minor === 0x31 ? "http1" : "other";
}

function isVisible(byte: number): boolean {
  return (byteClasses[byte]! & TARGET) !== 0 || (byte > SP && byte < 0x7f);
}

/** How many bytes from `start` spell the beginning of `text`. */
function commonPrefix(bytes: Uint8Array, start: number, end: number, text: string): number {
  const limit = Math.min(text.length, end - start);
  let i = 0;
  while (i < limit && bytes[start + i] === text.charCodeAt(i)) i++;
  return i;
}
