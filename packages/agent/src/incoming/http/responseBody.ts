// Writes the body of a client's response in the framing that its head announced. A body that does not keep what the
// head promised is an error: the caller then cuts the connection, so that the peer can tell.

import type { HttpHeaders } from "@understudy/protocol";
import { FIELD_VALUE, TOKEN, allInClass, latin1 } from "./byteClasses.ts";
import { InvalidResponse, type ResponseFraming } from "./responseHead.ts";

const CRLF = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
/** Trailers that would change how the message is read (RFC 9110 §6.5.1). */
const FORBIDDEN_TRAILERS = new Set(["content-length", "transfer-encoding", "host", "trailer", "connection", "te"]);

/** Encodes one body. Data is passed on by reference, never copied. */
export class ResponseBodyEncoder {
  readonly #framing: ResponseFraming;
  #sent = 0;

  constructor(framing: ResponseFraming) {
    this.#framing = framing;
  }

  /**
   * The buffers to write for one piece of payload, in order; none where the response has no body.
   * @throws InvalidResponse when the body gets longer than its content-length.
   */
  data(payload: Uint8Array): readonly Uint8Array[] {
    // An empty chunk would end the body.
    if (payload.length === 0) return [];
    switch (this.#framing.kind) {
      case "none":
        return [];
      case "untilClose":
        return [payload];
      case "length":
        this.#sent += payload.length;
        if (this.#sent > this.#framing.length) {
          throw new InvalidResponse(`body of more than its content-length ${this.#framing.length}`);
        }
        return [payload];
      case "chunked":
        return [Buffer.from(`${payload.length.toString(16)}\r\n`, "latin1"), payload, CRLF];
    }
  }

  /**
   * The buffers that end the body. Trailers are sent only in chunked framing and only those that the head announced;
   * what else there is gets lost.
   * @throws InvalidResponse when the body is shorter than its content-length.
   */
  end(trailers: HttpHeaders = []): readonly Uint8Array[] {
    switch (this.#framing.kind) {
      case "none":
      case "untilClose":
        return [];
      case "length":
        if (this.#sent === this.#framing.length) return [];
        throw new InvalidResponse(`body of ${this.#sent} bytes, content-length ${this.#framing.length}`);
      case "chunked": {
        const lines = trailerLines(trailers, this.#framing.trailerNames);
        return lines === "" ? [LAST_CHUNK] : [Buffer.from(`0\r\n${lines}\r\n`, "latin1")];
      }
    }
  }
}

function trailerLines(trailers: HttpHeaders, announced: ReadonlySet<string>): string {
  let text = "";
  for (const [name, values] of trailers) {
    const nameBytes = Buffer.from(name);
    if (!allInClass(nameBytes, 0, nameBytes.length, TOKEN)) continue;
    const lowerName = name.toLowerCase();
    if (!announced.has(lowerName) || FORBIDDEN_TRAILERS.has(lowerName)) continue;
    for (const value of values) {
      if (!allInClass(value, 0, value.length, FIELD_VALUE)) throw new InvalidResponse(`invalid trailer ${lowerName}`);
      text += `${lowerName}: ${latin1(value, 0, value.length)}\r\n`;
    }
  }
  return text;
}
