// The value of the `date` header, formatted once a second. Takes the time as an argument.

/** Caches the text of the current second. One for the whole agent is enough. */
export class HttpDate {
  #second = -1;
  #text = "";

  /** IMF-fixdate (RFC 9110 §5.6.7) of `nowMs`, milliseconds since 1970. */
  at(nowMs: number): string {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(second * 1000).toUTCString();
    }
    return this.#text;
  }
}
