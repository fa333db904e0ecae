// A target on `node:http`, which tells what of a request it saw. It takes its ports as arguments and ends with its process namespace.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { argv } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** What `/echo` answers. */
async function seen(request: IncomingMessage): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    hash.update(chunk as Buffer);
  }
  const { method, url, httpVersion, rawHeaders, rawTrailers } = request;
  return JSON.stringify({ by: "target", method, url, httpVersion, rawHeaders, rawTrailers, bytes, sha256: hash.digest("hex") });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (request.url) {
    case "/echo":
      response.setHeader("X-Mixed-Case", "kept");
      response.end(await seen(request));
      return;
    case "/stream":
      for (let i = 0; i < 5; i++) {
        response.write(`piece ${i}\n`);
        await sleep(2);
      }
      response.end();
      return;
    case "/trailers":
      response.setHeader("Trailer", "X-Sum");
      response.write("before the trailers\n");
      response.addTrailers({ "X-Sum": "19" });
      response.end();
      return;
    case "/early":
      // What else is sent is read, so that no reset overtakes the answer.
      request.resume();
      response.writeHead(413);
      response.end("too large\n");
      return;
    case "/early-hints":
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      response.end("hinted\n");
      return;
    case "/close":
      response.writeHead(200, { Connection: "close" });
      response.end("target\n");
      return;
    case "/unchanged":
      response.writeHead(304, { ETag: '"one"' });
      response.end();
      return;
    case "/nothing":
      response.writeHead(204);
      response.end();
      return;
    default:
      response.end(`target ${request.method} ${request.url}\n`);
  }
}

for (const port of argv.slice(2)) {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(Number(port), "::");
}
