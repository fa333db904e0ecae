// How the demo looks: numbered steps, and lines of what happened in them.

import { formatHostPort, type HostPort } from "../hostPort.ts";
import { type Output, printable, type Style } from "../output.ts";
import type { Answer, Visit } from "./visit.ts";

const LABEL_WIDTH = 14;
const VISIT_WIDTH = 35;
const BODY_MAX_LENGTH = 70;

export class Narrator {
  readonly #output: Output;
  #steps = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** A line that stands alone, in bold. */
  title(text: string): void {
    this.#line(this.#output.style("bold", text));
  }

  /** The heading of a step; with a name where it can be shown alone. */
  step(text: string, name?: string): void {
    this.#steps += 1;
    const heading = this.#output.style("bold", `${String(this.#steps).padStart(2)}  ${text}`);
    this.#line("");
    this.#line(name === undefined ? heading : `${heading}  ${this.#output.style("dim", `[${name}]`)}`);
  }

  /** The command that does the same with that agent; `rest` follows the options. */
  command(text: string, agent: HostPort, rest = ""): void {
    this.text(this.#output.style("cyan", `$ bin/understudy ${text} --agent ${formatHostPort(agent)} ${rest}`.trimEnd()));
  }

  /** A fact of the step: what it is, and its value. */
  fact(label: string, value: string): void {
    this.text(`${this.#output.style("dim", label.padEnd(LABEL_WIDTH))}${printable(value)}`);
  }

  /** A request, who answered it, and how. */
  visit({ method = "GET", path, headers = {}, note }: Visit, { status, answeredBy, body }: Answer, style: Style): void {
    const carried = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const what = [`${method} ${path}`, ...carried, ...(note === undefined ? [] : [note])].join("  ");
    const shown = body.length > BODY_MAX_LENGTH ? `${body.slice(0, BODY_MAX_LENGTH - 1)}…` : body;
    const who = this.#output.style(style, printable(answeredBy).padEnd(LABEL_WIDTH));
    this.text(`${what.padEnd(VISIT_WIDTH)}${status}  ${who}${this.#output.style("dim", printable(shown))}`);
  }

  /** Part of a step or of the summary. */
  text(text: string): void {
    this.#line(`    ${text}`);
  }

  gap(): void {
    this.#line("");
  }

  #line(text: string): void {
    this.#output.write(`${text}\n`);
  }
}
