// One HTTP request over a connection of its own, for the peers of a target.

import { request as httpRequest } from "node:http";

export interface RequestOptions {
  readonly host: string;
  readonly port?: number;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Time for a whole exchange. */
const TIMEOUT_MS = 5_000;

/** Asks and waits for the complete answer. @throws the error of a connection that was refused, reset, or cut short. */
export function request({ host, port = 80, path = "/", headers = {} }: RequestOptions): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host, port, path, headers, agent: false, timeout: TIMEOUT_MS }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: { ...response.headers }, body }));
    });
    sent.on("timeout", () => sent.destroy(new Error(`no complete answer within ${TIMEOUT_MS} ms`)));
    sent.on("error", reject);
    sent.end();
  });
}
