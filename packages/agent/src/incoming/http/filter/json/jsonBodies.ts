// Parses the bodies of requests for filters, each once for all of them: at once when it is small, else in slices. An encoded body is decoded first.

import type { FilterInput } from "../filterInput.ts";
import type { LongSearches, Sliced } from "../longSearches.ts";
import { contentCodings } from "./contentCodings.ts";
import { JsonReader } from "./jsonReader.ts";
import type { JsonValue } from "./jsonValue.ts";

/** A parsed body; null when it is no JSON. */
export type JsonBody = { readonly value: JsonValue } | null;

/** Reading a value costs as much as so many steps of a search. */
const STEPS_PER_READ = 5;
/** Steps that may be made at once, about a millisecond. */
const FIRST_STEPS = 20_000;

export class JsonBodies {
  readonly #longSearches: LongSearches;
  readonly #maxBytes: number;
  readonly #known = new WeakMap<Uint8Array, { readonly json: JsonBody | Promise<JsonBody> }>();

  /** `maxBytes`: largest body, before and after decoding. */
  constructor(longSearches: LongSearches, maxBytes: number) {
    this.#longSearches = longSearches;
    this.#maxBytes = maxBytes;
  }

  /** The request's body. Never rejects. */
  read(request: FilterInput): JsonBody | Promise<JsonBody> {
    const { body } = request;
    if (body === null || body.length > this.#maxBytes) return null;
    const known = this.#known.get(body);
    if (known !== undefined) return known.json;
    const codings = contentCodings(request);
    const json = codings.length === 0 ? this.#parse(body) : this.#decodeAndParse(body, codings);
    this.#keep(body, json);
    return json;
  }

  #keep(body: Uint8Array, json: JsonBody | Promise<JsonBody>): void {
    this.#known.set(body, { json });
    if (json instanceof Promise) void json.then((parsed) => this.#known.set(body, { json: parsed }));
  }

  async #decodeAndParse(body: Uint8Array, codings: readonly string[]): Promise<JsonBody> {
    const { decodeBody } = await import("./decodeBody.ts");
    const decoded = await decodeBody(body, codings, this.#maxBytes);
    return decoded === null ? null : this.#parse(decoded);
  }

  #parse(bytes: Uint8Array): JsonBody | Promise<JsonBody> {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      // Not UTF-8, so not JSON.
      return null;
    }
    const parse = new BodyParse(text);
    if (parse.run(FIRST_STEPS) !== null) return parse.json;
    const waiting = this.#longSearches.search(
      bytes,
      () => parse,
      () => undefined,
    );
    // Without room it counts as a body that no filter can read.
    return waiting === null ? null : waiting.then(() => parse.json);
  }
}

class BodyParse implements Sliced {
  readonly #reader: JsonReader;
  json: JsonBody = null;

  constructor(text: string) {
    this.#reader = new JsonReader(text);
  }

  run(steps: number): boolean | null {
    const read = this.#reader.run(steps / STEPS_PER_READ);
    if (read === undefined) return null;
    this.json = read;
    return read !== null;
  }
}
