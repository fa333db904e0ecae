// Node's clients as a peer of a target: `node:http` over connections that it keeps, and `fetch`. Called with host, port and user; prints what was answered, a
// line a request, without what differs from run to run.

import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { argv } from "node:process";
import { text } from "node:stream/consumers";

const [, , host = "", port = "", user = ""] = argv;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

await visitKept();
await visitWithFetch();

/** Node's own client, over connections that it keeps. */
async function visitKept(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async (method: string, path: string, send: (request: ClientRequest) => void, headers = {}): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpRequest({ host, port, method, path, agent, headers: { "X-User": user, ...headers }, timeout: 10_000 }, resolve);
    let hints = 0;
    request.on("error", reject).on("timeout", () => request.destroy(new Error("no answer")));
    request.on("information", () => (hints += 1));
    send(request);
    const response = await promise;
    const body = await text(response);
    const { statusCode, httpVersion, rawHeaders, rawTrailers } = response;
    const headersSeen = rawHeaders.filter((_, i, all) => all[i - (i % 2)]?.toLowerCase() !== "date");
    const { reusedSocket } = request;
    print(`${method} ${path} ${JSON.stringify({ statusCode, httpVersion, reusedSocket, hints, headersSeen, rawTrailers, body })}`);
  };
  const end = (request: ClientRequest): unknown => request.end();
  for (let i = 0; i < 3; i++) await ask("GET", "/text", end);
  await ask("HEAD", "/text", end);
  await ask("GET", "/unchanged", end);
  await ask("GET", "/stream", end);
  await ask("GET", "/trailers", end);
  await ask("GET", "/early-hints", end);
  await ask("POST", "/echo", (request) => {
    request.write("one");
    setTimeout(() => request.end("two"), 20);
  });
  await ask("PUT", "/echo", (request) => request.on("continue", () => request.end("after")).flushHeaders(), { Expect: "100-continue" });
  await ask("DELETE", "/text", end);
  agent.destroy();
}

/** Node's `fetch`, some requests at a time. */
async function visitWithFetch(): Promise<void> {
  const base = `http://${host}:${port}`;
  const headers = { "x-user": user };
  const bytes = Buffer.alloc(200_000, "some text ");
  const stream = (): ReadableStream => new Blob([bytes]).stream();
  const inits: [string, RequestInit & { readonly duplex?: "half" }][] = [
    ...Array.from({ length: 12 }, (): [string, RequestInit] => ["/text", {}]),
    ["/stream", {}],
    ["/echo", { method: "POST", body: bytes }],
    ["/echo", { method: "POST", body: stream(), duplex: "half" }],
  ];
  const lines = await Promise.all(
    inits.map(async ([path, init]) => {
      const response = await fetch(base + path, { ...init, headers, signal: AbortSignal.timeout(10_000) });
      const names = [...response.headers].filter(([name]) => name !== "date");
      return JSON.stringify([response.status, names, await response.text()]);
    }),
  );
  for (const line of lines) print(line);
}
