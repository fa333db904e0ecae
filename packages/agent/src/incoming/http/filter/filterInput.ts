// What filters see of a request. Texts are made from the bytes of the head only when a filter asks, and then once for
// all filters of all subscriptions.

import { VISIBLE, allInClass, latin1, tokenEquals } from "../byteClasses.ts";
import type { RequestHead } from "../head.ts";
import { requestTargetText } from "../requestMessage.ts";
import { absolutePathStart } from "../requestTarget.ts";
import { FilterText } from "./filterText.ts";

/** One request for filters. `path` and `pathAndQuery` are null where the request has no path (CONNECT). */
export interface FilterInput {
  readonly method: string;
  readonly path: FilterText | null;
  /** The same as `path` when there is no query. */
  readonly pathAndQuery: FilterText | null;
  readonly headerCount: number;
  /** Whether the header is called `lowerName`, which is lower-case letters, digits and `-`. */
  isNamed(index: number, lowerName: string): boolean;
  /**
   * Text, in lower case, that contains every header line in lower case, and perhaps more: what is not in it is in no
   * line.
   */
  readonly lowerHeaders: string;
  /** `<lower-case name>: <value>`; null when the value is not visible ASCII and so hidden from filters. */
  headerLine(index: number): FilterText | null;
  /**
   * The whole body, with transfer coding removed and content coding as it is; null where there is none, or it is not wholly there or too large to
   * be looked at.
   */
  readonly body: Uint8Array | null;
}

const SPACE = 0x20;

interface Paths {
  readonly path: FilterText;
  readonly pathAndQuery: FilterText;
}

/** A scanned HTTP/1 head. Good as long as the bytes stay where they are, which is enough for filters that answer at once: see `detach`. */
export class RequestHeadInput implements FilterInput {
  readonly body: Uint8Array | null;
  #bytes: Uint8Array;
  readonly #head: RequestHead;
  readonly #lines: (FilterText | null | undefined)[] = [];
  #paths: Paths | null | undefined;
  #method: string | null = null;
  /** The head from its first byte, one character a byte. */
  #text: string | null = null;
  #lowerText: string | null = null;
  #lowerHeaders: string | null = null;

  constructor(bytes: Uint8Array, head: RequestHead, body: Uint8Array | null = null) {
    this.#bytes = bytes;
    this.#head = head;
    this.body = body;
  }

  /** Copies the head, so that its bytes may change while a filter is waited for. The scanned head itself must stay as it is. */
  detach(): void {
    this.#bytes = this.#bytes.slice(0, this.#head.start + this.#head.length);
  }

  get method(): string {
    const head = this.#head;
    return (this.#method ??= latin1(this.#bytes, head.start + head.methodStart, head.start + head.methodEnd));
  }

  get path(): FilterText | null {
    return this.#splitTarget()?.path ?? null;
  }

  get pathAndQuery(): FilterText | null {
    return this.#splitTarget()?.pathAndQuery ?? null;
  }

  get headerCount(): number {
    return this.#head.fields.count;
  }

  isNamed(index: number, lowerName: string): boolean {
    const { fields, start } = this.#head;
    return tokenEquals(this.#bytes, start + fields.nameStart(index), start + fields.nameEnd(index), lowerName);
  }

  headerLine(index: number): FilterText | null {
    let line = this.#lines[index];
    if (line === undefined) {
      line = this.#makeLine(index);
      this.#lines[index] = line;
    }
    return line;
  }

  #makeLine(index: number): FilterText | null {
    const { fields, start } = this.#head;
    const valueStart = start + fields.valueStart(index);
    const valueEnd = start + fields.valueEnd(index);
    if (!allInClass(this.#bytes, valueStart, valueEnd, VISIBLE)) return null;
    if (this.#text === null) {
      // Only one line is wanted so far, perhaps for good.
      const name = latin1(this.#bytes, start + fields.nameStart(index), start + fields.nameEnd(index));
      return new FilterText(`${name.toLowerCase()}: ${latin1(this.#bytes, valueStart, valueEnd)}`, true);
    }
    const name = this.#lowerHead().slice(fields.nameStart(index), fields.nameEnd(index));
    return new FilterText(`${name}: ${this.#text.slice(fields.valueStart(index), fields.valueEnd(index))}`, true);
  }

  get lowerHeaders(): string {
    return (this.#lowerHeaders ??= this.#hasUsualSpacing() ? this.#lowerHead() : this.#joinedLines());
  }

  /** Whether the head spells each field as its line does, with one space after the colon. */
  #hasUsualSpacing(): boolean {
    const { fields, start } = this.#head;
    for (let i = 0; i < fields.count; i++) {
      const nameEnd = fields.nameEnd(i);
      if (fields.valueStart(i) !== nameEnd + 2 || this.#bytes[start + nameEnd + 1] !== SPACE) return false;
    }
    return true;
  }

  #joinedLines(): string {
    let joined = "";
    for (let i = 0; i < this.headerCount; i++) joined += `${this.headerLine(i)?.lower ?? ""}\n`;
    return joined;
  }

  #wholeHead(): string {
    return (this.#text ??= latin1(this.#bytes, this.#head.start, this.#head.start + this.#head.length));
  }

  /** Lower case changes no length in Latin-1. */
  #lowerHead(): string {
    return (this.#lowerText ??= this.#wholeHead().toLowerCase());
  }

  #splitTarget(): Paths | null {
    this.#paths ??= this.#findPaths();
    return this.#paths;
  }

  #findPaths(): Paths | null {
    const head = this.#head;
    if (head.targetForm === "authority") return null;
    let target = requestTargetText(this.#bytes, head);
    if (head.targetForm === "absolute") {
      const targetStart = head.start + head.targetStart;
      const pathStart = absolutePathStart(this.#bytes, targetStart, head.start + head.targetEnd);
      // Scheme and authority are ASCII, so bytes are characters here. An empty path stands for "/".
      target = target.slice(pathStart - targetStart);
      if (!target.startsWith("/")) target = `/${target}`;
    }
    return splitQuery(target);
  }
}

/** A request whose headers are text already, as HTTP/2 has them. */
export class HeaderListInput implements FilterInput {
  readonly method: string;
  readonly body: Uint8Array | null;
  readonly path: FilterText | null;
  readonly pathAndQuery: FilterText | null;
  readonly #headers: readonly (readonly [lowerName: string, value: string, ...unknown[]])[];
  readonly #lines: (FilterText | null | undefined)[] = [];
  #lowerHeaders: string | null = null;

  /** `target` is `:path`, null where there is none. Pseudo headers must not be among `headers`. */
  constructor(
    method: string,
    target: string | null,
    headers: readonly (readonly [lowerName: string, value: string, ...unknown[]])[],
    body: Uint8Array | null = null,
  ) {
    this.method = method;
    this.body = body;
    const paths = target === null ? null : splitQuery(target);
    this.path = paths?.path ?? null;
    this.pathAndQuery = paths?.pathAndQuery ?? null;
    this.#headers = headers;
  }

  get headerCount(): number {
    return this.#headers.length;
  }

  isNamed(index: number, lowerName: string): boolean {
    return this.#headers[index]?.[0] === lowerName;
  }

  get lowerHeaders(): string {
    return (this.#lowerHeaders ??= this.#headers
      .map(([name, value]) => `${name}: ${value}`)
      .join("\n")
      .toLowerCase());
  }

  headerLine(index: number): FilterText | null {
    let line = this.#lines[index];
    if (line === undefined) {
      const [name, value] = this.#headers[index] ?? ["", ""];
      line = /^[\t\x20-\x7e]*$/.test(value) ? new FilterText(`${name}: ${value}`) : null;
      this.#lines[index] = line;
    }
    return line;
  }
}

function splitQuery(target: string): Paths {
  const question = target.indexOf("?");
  const pathAndQuery = new FilterText(target);
  return { path: question < 0 ? pathAndQuery : new FilterText(target.slice(0, question)), pathAndQuery };
}
