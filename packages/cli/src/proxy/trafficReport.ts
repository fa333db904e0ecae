// What the user sees of connections that a command makes for programs of this machine: a line for each when it is over, and a sum.

import { failureText } from "../failureText.ts";
import { type Output, printable } from "../output.ts";

/** A connection that is over, or was never made. */
export interface Traffic {
  readonly transport: "tcp" | "udp" | "http";
  /** The program's address on this machine. */
  readonly from: string;
  /** Null when the program did not get as far as to say. */
  readonly to: string | null;
  /** Bytes towards the target's network. */
  readonly sent: number;
  readonly received: number;
  readonly startedAtMs: number;
  /** What failed; null when nothing did. */
  readonly error: unknown;
}

export interface TrafficReportOptions {
  /** One JSON object a line instead of text. */
  readonly json: boolean;
  /** Whether only a user who asked for more sees it, on standard error. */
  readonly isDetail?: boolean;
}

export class TrafficReport {
  readonly #json: boolean;
  readonly #isDetail: boolean;
  readonly #output: Output;
  #connections = 0;
  #failed = 0;
  #unprinted = 0;

  constructor({ json, isDetail = false }: TrafficReportOptions, output: Output) {
    this.#json = json;
    this.#isDetail = isDetail;
    this.#output = output;
  }

  /** Says how it goes. With `--json` standard output has JSON alone. */
  status(text: string): void {
    if (this.#json) this.#output.note(text);
    else this.#line(this.#output.style("bold", text));
  }

  ended({ transport, from, to, sent, received, startedAtMs, error }: Traffic): void {
    this.#connections += 1;
    const failure = error === null ? null : relayFailureText(error);
    if (failure !== null) this.#failed += 1;
    const ms = Math.round((performance.now() - startedAtMs) * 10) / 10;
    if (this.#json) {
      this.#line(JSON.stringify({ kind: "connection", transport, from, to, sent, received, ms, error: failure }));
    } else {
      const path = `${transport.toUpperCase().padEnd(4)} ${from} -> ${printable(to ?? "?")}`;
      const figures = this.#output.style("dim", `${sent} B out  ${received} B in  ${ms} ms`);
      this.#line(`${path}  ${figures}${failure === null ? "" : `  ${this.#output.style("red", printable(failure))}`}`);
    }
  }

  summary(): void {
    const failed = this.#failed === 0 ? "" : `, ${this.#failed} failed`;
    const unprinted = this.#unprinted === 0 ? "" : `, ${this.#unprinted} lines not printed`;
    this.status(`${this.#connections} connection${this.#connections === 1 ? "" : "s"}${failed}${unprinted}`);
  }

  /** A terminal that is slower than the connections is no reason to hold them up. */
  #line(text: string): void {
    if (this.#isDetail) this.#output.detail(text);
    else if (!this.#output.offer(text)) this.#unprinted += 1;
  }
}

/** `pipeline` names a close before the end in its own words. */
function relayFailureText(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") return "closed before its end";
  return failureText(error);
}
