// One text that filters look at, with what is derived from it made at most once.

/** Visible ASCII, spaces and tabs: nearly every text. */
const PLAIN = /^[\t\x20-\x7e]*$/;

export class FilterText {
  readonly text: string;
  #lower: string | null = null;
  #isPlain: boolean | null;

  /** `isPlain`: known to be visible ASCII, spaces and tabs; left out, it is found out when asked. */
  constructor(text: string, isPlain?: boolean) {
    this.text = text;
    this.#isPlain = isPlain ?? null;
  }

  get lower(): string {
    return (this.#lower ??= this.text.toLowerCase());
  }

  get isPlain(): boolean {
    return (this.#isPlain ??= PLAIN.test(this.text));
  }
}
