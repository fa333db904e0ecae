// Sends copies of a service's requests to another version of it, and tells where the answers differ. The service's users do not notice: they get the service's own.
//
//   node requestDiff.ts HOST:PORT SERVICE-PORT LOCAL-URL
//
// The service's answer to a copy is asked for anew, through the agent, so this is for requests that change nothing: GET and HEAD alone are compared.

import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { connectAgent, type Session, webRequest } from "@understudy/client";

interface Answer {
  readonly status: number;
  readonly body: string;
}

const [agent = "", port = "", local = ""] = process.argv.slice(2);
const { hostname, port: agentPort } = new URL(`tcp://${agent}`);

await using session = await connectAgent({ host: hostname, port: Number(agentPort) });
await session.mirror(Number(port), {
  filter: { kind: "path", value: "^" },
  onRequest: async (incoming) => {
    const request = webRequest(incoming);
    const { pathname, search } = new URL(request.url);
    if (request.method !== "GET" && request.method !== "HEAD") return;
    const answers = Promise.all([askService(session, request), askLocal(new URL(pathname + search, local), request)]);
    const [service, other] = await answers.catch((error: unknown) => {
      console.log(`not compared ${request.method} ${pathname}${search}: ${String(error)}`);
      return [];
    });
    if (service === undefined || other === undefined) return;
    const isSame = service.status === other.status && service.body === other.body;
    console.log(`${isSame ? "same     " : "different"} ${request.method} ${pathname}${search}`);
    if (!isSame) console.log(`  service ${service.status} ${service.body}\n  local   ${other.status} ${other.body}`);
  },
});
console.log("comparing; Ctrl-C ends it");
await session.closed;

/** Asks the service itself, over a connection that the agent makes beside it. */
async function askService(from: Session, request: Request): Promise<Answer> {
  const { pathname, search } = new URL(request.url);
  const socket = await from.connectTcp({ ip: "127.0.0.1", port: Number(port) });
  const headers = { ...Object.fromEntries(request.headers), connection: "close" };
  const asked = httpRequest({ createConnection: () => socket, path: pathname + search, method: request.method, headers }).end();
  return await new Promise((resolve, reject) => {
    asked.once("error", reject);
    asked.once("response", (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
  });
}

async function askLocal(url: URL, request: Request): Promise<Answer> {
  const headers = new Headers(request.headers);
  // They are about the connection that the request came on.
  for (const name of ["connection", "host", "keep-alive"]) headers.delete(name);
  const response = await fetch(url, { method: request.method, headers });
  return { status: response.status, body: await response.text() };
}
