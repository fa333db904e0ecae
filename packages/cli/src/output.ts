// The only place that writes to the terminal. Results go to standard output, everything else to standard error.

import { once } from "node:events";

const codes = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Style = keyof typeof codes;

/** How much may wait for a slow reader of lines that can be dropped. */
const WAITING_MAX_BYTES = 1024 * 1024;

/** When to colour: `auto` is on a terminal, unless NO_COLOR is set (no-color.org). */
export const colourModes = ["auto", "always", "never"] as const;
export type ColourMode = (typeof colourModes)[number];

export class Output {
  /** Whether the user asked for more than results and what went wrong. */
  isVerbose = false;
  #colour: ColourMode = "auto";
  #isReaderGone = false;
  #hasFailed = false;
  readonly #leftBehind = new Set<string>();

  constructor() {
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      this.#isReaderGone = true;
      if (error.code === "EPIPE") return;
      this.#hasFailed = true;
      this.note(`cannot write: ${error.message}`);
    });
    // Where standard error cannot be written there is nobody left to tell.
    process.stderr.on("error", () => undefined);
  }

  /** Whether whoever read standard output has stopped, as `head` does. Lines are then dropped. */
  get isReaderGone(): boolean {
    return this.#isReaderGone;
  }

  /** Whether results were lost for another reason, such as a full disk. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Writes a line of results; resolves when the reader will take another. */
  async line(text: string): Promise<void> {
    if (this.#isReaderGone || process.stdout.write(`${text}\n`)) return;
    // A reader that goes away is reported as an error, which the listener above has seen by then.
    await once(process.stdout, "drain").catch(() => undefined);
  }

  /** Writes bytes as they are; resolves when the reader will take more. They must not change afterwards. */
  async bytes(bytes: Uint8Array): Promise<void> {
    if (this.#isReaderGone || process.stdout.write(bytes)) return;
    await once(process.stdout, "drain").catch(() => undefined);
  }

  /** Whether results go to a terminal, where names of others are shown by `printable` alone. */
  get isTerminal(): boolean {
    return process.stdout.isTTY;
  }

  /** Writes a line of results unless too many are waiting for the reader; false when it was dropped. */
  offer(text: string): boolean {
    if (this.#isReaderGone || process.stdout.writableLength > WAITING_MAX_BYTES) return false;
    process.stdout.write(`${text}\n`);
    return true;
  }

  /** Writes text that has its own line ends to standard output. */
  write(text: string): void {
    if (!this.#isReaderGone) process.stdout.write(text);
  }

  /** Writes text that has its own line ends to standard error. */
  writeError(text: string): void {
    process.stderr.write(text);
  }

  /** Says what went wrong, or how it goes. */
  note(text: string): void {
    this.writeError(`understudy: ${text}\n`);
  }

  /** Says what only a user who asked for more wants to know. */
  detail(text: string): void {
    if (this.isVerbose) this.note(text);
  }

  useColour(mode: ColourMode): void {
    this.#colour = mode;
  }

  get #hasColour(): boolean {
    if (this.#colour !== "auto") return this.#colour === "always";
    return process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "";
  }

  /** Colours text, where standard output is a terminal or the user wants it. */
  style(style: Style, text: string): string {
    return this.#hasColour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
  }

  /** What the user must know if the process ends by `quit` before this is disposed: something that is being removed, and how to remove it. */
  leftUnlessDone(text: string): Disposable {
    this.#leftBehind.add(text);
    return { [Symbol.dispose]: () => this.#leftBehind.delete(text) };
  }

  /** Ends the process at once, for a user who does not want to wait. */
  quit(code: number): never {
    for (const text of this.#leftBehind) this.note(text);
    process.exit(code);
  }
}

/** What could command a terminal: C0 and C1 control characters, and line separators. */
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Text of others without its control characters, on one line. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
