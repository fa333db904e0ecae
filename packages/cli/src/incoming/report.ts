// What the user sees of requests and connections: a line for each as it ends, and the figures of all at the end.

import { formatSocketAddr } from "@understudy/protocol";
import type { IncomingConnection, IncomingRequest } from "@understudy/client";
import { type Output, printable, type Style } from "../output.ts";
import { Latencies } from "./latencies.ts";
import { StatusLine } from "./statusLine.ts";
import { Transfer, type TransferEnd } from "./transfer.ts";

const LINES_DELAY_MS = 20;

export interface ReportOptions {
  readonly json: boolean;
  /** What happens to the traffic. */
  readonly verb: "stolen" | "mirrored";
  /** Whether each line says which port. */
  readonly showsPort: boolean;
  /** Whether each line says which filters matched; JSON always does. */
  readonly showsFilters: boolean;
}

export class Report implements Disposable {
  readonly #options: ReportOptions;
  readonly #output: Output;
  readonly #open = new Set<Transfer>();
  readonly #statusLine: StatusLine;
  readonly #latencies = new Latencies();
  /** Requests by the first digit of their status; those without one under 0. */
  readonly #byClass = [0, 0, 0, 0, 0, 0];
  readonly #lines: string[] = [];
  #writing: NodeJS.Timeout | undefined = undefined;
  #requests = 0;
  #connections = 0;
  #failed = 0;
  #fellBack = 0;
  #leftOut = 0;
  #unprinted = 0;

  constructor(options: ReportOptions, output: Output) {
    this.#options = options;
    this.#output = output;
    this.#statusLine = new StatusLine(this.#open, output);
  }

  /** A request that begins; `filters` are the names of those it came for. */
  request(request: IncomingRequest, filters: readonly string[]): Transfer {
    const name = `${request.method.padEnd(6)} ${printable(request.uri)}`;
    return this.#begin(name, (end) => this.#requestEnded(request, filters, name, end));
  }

  connection({ source, port }: IncomingConnection): Transfer {
    const peer = formatSocketAddr(source);
    const name = `TCP    ${peer}`;
    return this.#begin(name, (end) => this.#connectionEnded(peer, port, name, end));
  }

  /** One that there was no room for. */
  leftOut(): void {
    this.#leftOut += 1;
  }

  /** How it goes. JSON alone is on standard output, if that was asked for. */
  status(text: string): void {
    if (this.#options.json) this.#output.note(text);
    else this.#line(this.#output.style("bold", text));
  }

  summary(): void {
    this.#write();
    const [p50Ms, p99Ms] = [this.#latencies.percentile(0.5), this.#latencies.percentile(0.99)].map((ms) =>
      ms === null ? null : rounded(ms),
    );
    const byStatus = Object.fromEntries(
      this.#byClass.map((count, digit) => [digit === 0 ? "none" : `${digit}xx`, count] as const).filter(([, count]) => count > 0),
    );
    const figures = { requests: this.#requests, connections: this.#connections, failed: this.#failed, fellBack: this.#fellBack };
    if (this.#options.json) {
      this.#print({ kind: "summary", ...figures, leftOut: this.#leftOut, unprinted: this.#unprinted, byStatus, p50Ms, p99Ms });
      return;
    }
    const classes = Object.entries(byStatus).map(([name, count]) => `${count} ${name === "none" ? "without status" : name}`);
    this.status(
      [
        `${this.#options.verb}: ${counted(this.#requests, "request")}${classes.length === 0 ? "" : ` (${classes.join(", ")})`}`,
        ...(p50Ms === null ? [] : [`p50 ${p50Ms} ms, p99 ${p99Ms} ms`]),
        counted(this.#connections, "connection"),
        ...(this.#failed === 0 ? [] : [`${this.#failed} failed`]),
        ...(this.#fellBack === 0 ? [] : [`${this.#fellBack} answered by the target`]),
        ...(this.#leftOut === 0 ? [] : [`${this.#leftOut} left out`]),
        ...(this.#unprinted === 0 ? [] : [`${counted(this.#unprinted, "line")} not printed`]),
      ].join(", "),
    );
  }

  [Symbol.dispose](): void {
    this.#write();
    this.#statusLine[Symbol.dispose]();
  }

  #begin(name: string, onEnd: (end: TransferEnd) => void): Transfer {
    const transfer = new Transfer(name, (ended, end) => {
      this.#open.delete(ended);
      if (end.error !== null) this.#failed += 1;
      if (end.fellBackFor !== null) this.#fellBack += 1;
      onEnd(end);
    });
    this.#open.add(transfer);
    return transfer;
  }

  #requestEnded({ method, uri, port, version }: IncomingRequest, filters: readonly string[], name: string, end: TransferEnd): void {
    const { status, durationMs, receivedBytes, sentBytes, error, fellBackFor } = end;
    this.#requests += 1;
    this.#byClass[Math.floor((status ?? 0) / 100)]! += 1;
    this.#latencies.add(durationMs);
    const ms = rounded(durationMs);
    if (this.#options.json) {
      this.#print({
        kind: "request",
        port,
        method,
        path: uri,
        version,
        status,
        ms,
        bytes: sentBytes,
        received: receivedBytes,
        filters,
        fellBackFor,
        error,
      });
      return;
    }
    const shownStatus = this.#output.style(styleOf(status), String(status ?? "---"));
    const bytes = this.#options.verb === "stolen" ? sentBytes : receivedBytes;
    const why = this.#options.showsFilters ? [this.#output.style("dim", `(${filters.join(", ")})`)] : [];
    this.#row(port, [name, shownStatus, this.#output.style("dim", `${ms} ms  ${bytes} B`), ...why], end);
  }

  #connectionEnded(peer: string, port: number, name: string, end: TransferEnd): void {
    this.#connections += 1;
    const { receivedBytes: received, sentBytes: sent, fellBackFor, error } = end;
    if (this.#options.json) this.#print({ kind: "connection", port, peer, received, sent, fellBackFor, error });
    else this.#row(port, [name, this.#output.style("dim", `${received} B in  ${sent} B out`)], end);
  }

  #row(port: number, columns: readonly string[], { error, fellBackFor }: TransferEnd): void {
    const where = this.#options.showsPort ? [`:${port}`] : [];
    const fallback = fellBackFor === null ? [] : [this.#output.style("yellow", `by the target, for: ${printable(fellBackFor)}`)];
    const failure = error === null ? [] : [this.#output.style("red", printable(error))];
    this.#line([...where, ...columns, ...fallback, ...failure].join("  "));
  }

  #print(value: object): void {
    this.#line(JSON.stringify(value));
  }

  /** Lines are written together, since writing costs as much as a request. */
  #line(text: string): void {
    this.#lines.push(text);
    this.#writing ??= setTimeout(() => this.#write(), LINES_DELAY_MS);
  }

  /** A terminal that is slower than the requests is no reason to hold them up. */
  #write(): void {
    clearTimeout(this.#writing);
    this.#writing = undefined;
    const lines = this.#lines.splice(0);
    if (lines.length === 0) return;
    this.#statusLine.clear();
    if (!this.#output.offer(lines.join("\n"))) this.#unprinted += lines.length;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

function styleOf(status: number | null): Style {
  if (status === null || status >= 500) return "red";
  if (status >= 400) return "yellow";
  return status >= 300 ? "cyan" : "green";
}
