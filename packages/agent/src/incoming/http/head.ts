// Request and response heads of HTTP/1, found in the bytes as they came: offsets instead of strings, one pass, any cut.
// A head that two parsers could read in two ways is reported as "ambiguous" with a reason and never interpreted. What
// happens then, and reading from sockets, is the caller's business. Rules: RFC 9112.
// A head object is made once per direction of a connection and used again for each message.

import { isUtf8 } from "node:buffer";
import { TARGET, TOKEN, byteClasses } from "./byteClasses.ts";
import { FieldTable } from "./fieldTable.ts";
import { targetForm, type TargetForm } from "./requestTarget.ts";

export interface HeadLimits {
  /** Most bytes of a head, the empty line included. */
  readonly headMaxBytes: number;
  /** Most header fields. */
  readonly maxFields: number;
}

export const defaultHeadLimits: HeadLimits = { headMaxBytes: 64 * 1024, maxFields: 256 };

/**
 * "complete": the head ends `length` bytes after its start. "incomplete": call again when more has arrived.
 * "ambiguous", "refused" (a limit was hit): see `reason`; the head must not be used.
 */
export type ScanResult = "complete" | "incomplete" | "ambiguous" | "refused";

/** How the end of a message's body is found. "length" comes with `bodyLength`; "untilClose" only in responses. */
export type BodyKind = "none" | "length" | "chunked" | "untilClose";

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const VERSION_PREFIX = "HTTP/1.";
/** Empty lines before a request that are forgiven, as at detection. */
const MAX_LEADING_LINES = 2;

const AT_START = 0;
const IN_METHOD = 1;
const IN_TARGET = 2;
const IN_VERSION = 3;
const IN_FIELDS = 4;
const IN_REASON = 5;

/** All offsets count from `start`; when the bytes move as a whole, only `start` changes. */
export class RequestHead {
  /** Where the head begins in the buffer it was scanned in; the owner sets it anew after moving the bytes. */
  start = 0;
  /** Bytes of the head with its empty line, and with empty lines before it. */
  length = 0;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  minorVersion: 0 | 1 = 1;
  targetForm: TargetForm = "origin";
  readonly fields = new FieldTable();
  bodyKind: "none" | "length" | "chunked" = "none";
  /** Bytes of the body where `bodyKind` is "length"; else 0. */
  bodyLength = 0;
  /** Whether the connection may carry another request after this one. */
  keepAlive = true;
  isConnect = false;
  isHead = false;
  /** Whether there is an `upgrade` header; the response's status decides what comes of it. */
  hasUpgrade = false;
  expectContinue = false;
  /** Why the last scan ended "ambiguous" or "refused". */
  reason = "";

  #phase = AT_START;
  #position = 0;
  #leadingLines = 0;
  /** All bytes of the target so far, OR-ed: tells whether it is plain ASCII. */
  #targetBits = 0;

  /**
   * Scans `bytes[start, end)` for a request head. After "incomplete" the next call goes on where this one stopped and
   * must be given the same head from its first byte; after anything else the next call begins a new head.
   */
  scan(bytes: Uint8Array, start: number, end: number, limits: HeadLimits = defaultHeadLimits): ScanResult {
    this.start = start;
    const limit = Math.min(end, start + limits.headMaxBytes);
    const result = this.#advance(bytes, start, limit, limits.maxFields);
    if (result === "incomplete") {
      if (end - start < limits.headMaxBytes) return result;
      return this.#end("refused", `head exceeds headMaxBytes ${limits.headMaxBytes}`);
    }
    return result;
  }

  /** Forgets a head that was begun. */
  reset(): void {
    this.#phase = AT_START;
    this.#position = 0;
    this.#leadingLines = 0;
    this.#targetBits = 0;
    this.fields.reset();
  }

  #advance(bytes: Uint8Array, start: number, end: number, maxFields: number): ScanResult {
    const classes = byteClasses;
    let at = start + this.#position;
    if (this.#phase === AT_START) {
      if (this.#position === 0) this.reset();
      while (at < end && bytes[at] === CR) {
        if (this.#leadingLines === MAX_LEADING_LINES) return this.#end("ambiguous", "empty lines before the request");
        if (at + 1 >= end) return this.#pause(AT_START, at - start);
        if (bytes[at + 1] !== LF) return this.#end("ambiguous", "bare CR");
        at += 2;
        this.#leadingLines++;
      }
      if (at >= end) return this.#pause(AT_START, at - start);
      this.methodStart = at - start;
      this.#phase = IN_METHOD;
    }
    if (this.#phase === IN_METHOD) {
      while (at < end && (classes[bytes[at]!]! & TOKEN) !== 0) at++;
      if (at >= end) return this.#pause(IN_METHOD, at - start);
      this.methodEnd = at - start;
      if (bytes[at] !== SP || this.methodEnd === this.methodStart) return this.#end("ambiguous", "malformed method");
      at++;
      this.targetStart = at - start;
      this.#phase = IN_TARGET;
    }
    if (this.#phase === IN_TARGET) {
      let bits = this.#targetBits;
      for (let byte; at < end && (classes[(byte = bytes[at]!)]! & TARGET) !== 0; at++) bits |= byte;
      this.#targetBits = bits;
      if (at >= end) return this.#pause(IN_TARGET, at - start);
      this.targetEnd = at - start;
      if (bytes[at] !== SP || this.targetEnd === this.targetStart) {
        return this.#end("ambiguous", "malformed request target");
      }
      at++;
      this.#phase = IN_VERSION;
    }
    if (this.#phase === IN_VERSION) {
      const version = scanVersion(bytes, at, end);
      if (version < 0) return this.#end("ambiguous", "malformed version");
      if (at + 10 > end) {
        // A line end that is already wrong is an error now, as it would be with the rest of the bytes.
        if (at + 8 < end && bytes[at + 8] !== CR) return this.#end("ambiguous", "malformed end of the request line");
        return this.#pause(IN_VERSION, at - start);
      }
      if (bytes[at + 8] !== CR || bytes[at + 9] !== LF) {
        return this.#end("ambiguous", "malformed end of the request line");
      }
      this.minorVersion = version === 0 ? 0 : 1;
      at += 10;
      this.#phase = IN_FIELDS;
    }
    const result = this.fields.scan(bytes, start, at, end, maxFields);
    if (result === "more") return this.#pause(IN_FIELDS, this.fields.position);
    if (result === "bad") return this.#end("ambiguous", this.fields.reason ?? "malformed header");
    if (result === "many") return this.#end("refused", `more than ${maxFields} header fields`);
    this.length = this.fields.position;
    const reason = this.#derive(bytes, start);
    return reason === null ? this.#end("complete", "") : this.#end("ambiguous", reason);
  }

  /** Derives framing and connection facts; the reason why that is not safe, or null. */
  #derive(bytes: Uint8Array, start: number): string | null {
    const fields = this.fields;
    this.isConnect = isExactly(bytes, start + this.methodStart, start + this.methodEnd, "CONNECT");
    this.isHead = isExactly(bytes, start + this.methodStart, start + this.methodEnd, "HEAD");
    this.bodyKind = "none";
    this.bodyLength = 0;
    if (fields.isChunked) {
      if (fields.contentLength >= 0) return "both content-length and transfer-encoding";
      if (this.minorVersion === 0) return "transfer-encoding in HTTP/1.0";
      this.bodyKind = "chunked";
    } else if (fields.contentLength >= 0) {
      this.bodyKind = "length";
      this.bodyLength = fields.contentLength;
    }
    if (this.isConnect && this.bodyKind !== "none") return "CONNECT with a body";
    // On the wire the target is text.
    if (this.#targetBits >= 0x80 && !isUtf8(bytes.subarray(start + this.targetStart, start + this.targetEnd))) {
      return "request target is not UTF-8";
    }
    const form = targetForm(bytes, this);
    if (form.kind === "unsafe") return form.reason;
    this.targetForm = form.kind;
    this.keepAlive = !fields.hasClose && (this.minorVersion === 1 || fields.hasKeepAlive);
    this.hasUpgrade = fields.hasUpgrade;
    this.expectContinue = fields.expectContinue && this.minorVersion === 1;
    return null;
  }

  #pause(phase: number, position: number): "incomplete" {
    this.#phase = phase;
    this.#position = position;
    return "incomplete";
  }

  #end<R extends ScanResult>(result: R, reason: string): R {
    this.#phase = AT_START;
    this.#position = 0;
    this.reason = reason;
    return result;
  }
}

/** What of its request decides how a response is framed. */
export interface RequestFacts {
  readonly isHead: boolean;
  readonly isConnect: boolean;
}

/** All offsets count from `start`; when the bytes move as a whole, only `start` changes. */
export class ResponseHead {
  start = 0;
  length = 0;
  status = 0;
  minorVersion: 0 | 1 = 1;
  reasonStart = 0;
  reasonEnd = 0;
  readonly fields = new FieldTable();
  bodyKind: BodyKind = "none";
  bodyLength = 0;
  /** Whether the connection may carry another response after this one's body. */
  keepAlive = true;
  /** 1xx but 101: another head of the same exchange follows. */
  isInterim = false;
  /** 101, or 2xx to CONNECT: what follows is no longer HTTP/1. */
  isSwitch = false;
  reason = "";

  #phase = AT_START;
  #position = 0;

  /** As `RequestHead.scan`. `request` is the one that this response answers. */
  scan(bytes: Uint8Array, start: number, end: number, request: RequestFacts, limits: HeadLimits = defaultHeadLimits): ScanResult {
    this.start = start;
    const limit = Math.min(end, start + limits.headMaxBytes);
    const result = this.#advance(bytes, start, limit, request, limits.maxFields);
    if (result === "incomplete" && end - start >= limits.headMaxBytes) {
      return this.#end("refused", `head exceeds headMaxBytes ${limits.headMaxBytes}`);
    }
    return result;
  }

  /** Forgets a head that was begun. */
  reset(): void {
    this.#phase = AT_START;
    this.#position = 0;
    this.fields.reset();
  }

  #advance(bytes: Uint8Array, start: number, end: number, request: RequestFacts, maxFields: number): ScanResult {
    let at = start + this.#position;
    if (this.#phase === AT_START) {
      if (this.#position === 0) this.reset();
      const version = scanVersion(bytes, at, end);
      if (version < 0 || !isStatusPart(bytes, at + 8, end)) return this.#end("ambiguous", "malformed status line");
      // "HTTP/1.1 200" and the byte after it, which tells whether a reason follows.
      if (at + 13 > end) return this.#pause(AT_START, 0);
      this.minorVersion = version === 0 ? 0 : 1;
      this.status = (bytes[at + 9]! - 48) * 100 + (bytes[at + 10]! - 48) * 10 + (bytes[at + 11]! - 48);
      at += 12;
      if (bytes[at] === SP) at++;
      this.reasonStart = at - start;
      this.#phase = IN_REASON;
    }
    if (this.#phase === IN_REASON) {
      while (at < end && isReasonByte(bytes[at]!)) at++;
      if (at >= end) return this.#pause(IN_REASON, at - start);
      if (bytes[at] !== CR) return this.#end("ambiguous", "malformed status line");
      if (at + 1 >= end) return this.#pause(IN_REASON, at - start);
      if (bytes[at + 1] !== LF) return this.#end("ambiguous", "bare CR");
      this.reasonEnd = at - start;
      at += 2;
      this.#phase = IN_FIELDS;
    }
    const result = this.fields.scan(bytes, start, at, end, maxFields);
    if (result === "more") return this.#pause(IN_FIELDS, this.fields.position);
    if (result === "bad") return this.#end("ambiguous", this.fields.reason ?? "malformed header");
    if (result === "many") return this.#end("refused", `more than ${maxFields} header fields`);
    this.length = this.fields.position;
    const reason = this.#derive(request);
    return reason === null ? this.#end("complete", "") : this.#end("ambiguous", reason);
  }

  /** RFC 9112 §6.3, strictly: a body where none may be makes the response ambiguous. */
  #derive(request: RequestFacts): string | null {
    const { fields, status } = this;
    this.isInterim = status < 200 && status !== 101;
    this.isSwitch = status === 101 || (request.isConnect && status >= 200 && status < 300);
    this.bodyKind = "none";
    this.bodyLength = 0;
    if (fields.isChunked && fields.contentLength >= 0) return "both content-length and transfer-encoding";
    if (fields.isChunked && this.minorVersion === 0) return "transfer-encoding in HTTP/1.0";
    const hasBody = fields.isChunked || fields.contentLength > 0;
    if (status < 200 || this.isSwitch || status === 204) {
      if (hasBody) return `body announced with status ${status}`;
    } else if (!request.isHead && status !== 304) {
      if (fields.isChunked) this.bodyKind = "chunked";
      else if (fields.contentLength >= 0) this.bodyKind = "length";
      else this.bodyKind = "untilClose";
      this.bodyLength = Math.max(fields.contentLength, 0);
    }
    this.keepAlive = this.bodyKind !== "untilClose" && !fields.hasClose && (this.minorVersion === 1 || fields.hasKeepAlive);
    return null;
  }

  #pause(phase: number, position: number): "incomplete" {
    this.#phase = phase;
    this.#position = position;
    return "incomplete";
  }

  #end<R extends ScanResult>(result: R, reason: string): R {
    this.#phase = AT_START;
    this.#position = 0;
    this.reason = reason;
    return result;
  }
}

/** Minor version at `at`; -1 when it cannot become HTTP/1.0 or HTTP/1.1. A part of one counts as 1. */
function scanVersion(bytes: Uint8Array, at: number, end: number): number {
  const limit = Math.min(VERSION_PREFIX.length, end - at);
  for (let i = 0; i < limit; i++) {
    if (bytes[at + i] !== VERSION_PREFIX.charCodeAt(i)) return -1;
  }
  if (at + 7 >= end) return 1;
  const minor = bytes[at + 7]! - 0x30;
  return minor === 0 || minor === 1 ? minor : -1;
}

/** Whether `bytes[at, end)` can begin ` 200 ` or ` 200\r`, as far as it goes; the first digit is 1 to 9. */
function isStatusPart(bytes: Uint8Array, at: number, end: number): boolean {
  if (at >= end) return true;
  if (bytes[at] !== SP) return false;
  for (let i = 1; i <= 3 && at + i < end; i++) {
    const byte = bytes[at + i]!;
    if (byte > 0x39 || byte < (i === 1 ? 0x31 : 0x30)) return false;
  }
  return at + 4 >= end || bytes[at + 4] === SP || bytes[at + 4] === CR;
}

function isReasonByte(byte: number): boolean {
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);
}

function isExactly(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
