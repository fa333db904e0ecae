// HTTP requests of the demo's visitors: each over a connection of its own, with the whole answer.

import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Duplex } from "node:stream";
import { ANSWERED_BY } from "./shopSettings.ts";

export interface Visit {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What the user should know of the way it goes. */
  readonly note?: string;
}

export interface Answer {
  readonly status: number;
  /** Names and values in turn, as they came, without the date. */
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly answeredBy: string;
}

/** Where a visit goes: an address, or a connection that exists. */
export type Destination = { readonly host: string; readonly port: number } | { readonly connection: Duplex };

/** @throws Error when there is no answer; the reason of `signal`. */
export async function visit(
  destination: Destination,
  { method = "GET", path, headers = {}, body }: Visit,
  signal: AbortSignal,
): Promise<Answer> {
  const common = { method, path, headers: { ...headers, connection: "close" }, signal };
  // `createConnection` is used only where no agent is asked for.
  const request =
    "connection" in destination
      ? httpRequest({ ...common, host: "payments", createConnection: () => destination.connection })
      : httpRequest({ ...common, ...destination, agent: false });
  const responded = once(request, "response") as Promise<[IncomingMessage]>;
  request.end(body);
  const [response] = await responded;
  const { statusCode = 0, rawHeaders } = response;
  return {
    status: statusCode,
    rawHeaders: withoutDate(rawHeaders),
    body: (await buffer(response)).toString(),
    answeredBy: String(response.headers[ANSWERED_BY] ?? "nobody who says so"),
  };
}

function withoutDate(rawHeaders: readonly string[]): string[] {
  const at = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === "date");
  return at === -1 ? [...rawHeaders] : rawHeaders.toSpliced(at, 2);
}
