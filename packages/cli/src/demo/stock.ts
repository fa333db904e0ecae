// A service that does not speak HTTP: who sends the name of a product, on a line, gets how many there are.

import { connect } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { Duplex } from "node:stream";
import type { HostPort } from "../hostPort.ts";

/** Answers one question, as `who`, and closes. */
export function answerStock(stream: Duplex, count: number, who: string): void {
  // Of somebody who left without the answer.
  stream.on("error", () => undefined);
  createInterface({ input: stream }).once("line", (product) => stream.end(`${count} of ${product}, says ${who}\n`));
}

/** Resolves with the whole answer. Rejects when there is no connection, or when `signal` aborts. */
export async function askStock(at: HostPort, product: string, signal: AbortSignal): Promise<string> {
  const socket = connect({ ...at, signal });
  socket.write(`${product}\n`);
  return (await text(socket)).trimEnd();
}
