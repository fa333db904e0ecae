import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { IncomingRequest, RequestBody } from "@understudy/client";
import { RequestForwarder } from "./requestForwarder.ts";
import { Transfer } from "./transfer.ts";

/** More than a connection holds whose server does not read. */
const BODY_BYTES = 16 << 20;

function upload(): IncomingRequest {
  const piece = Buffer.alloc(64 * 1024);
  const pieces = Array.from({ length: BODY_BYTES / piece.length }, () => piece);
  const body: RequestBody = Object.assign(Readable.from(pieces), { isKnownEmpty: false, trailers: null });
  const headers: IncomingRequest["headers"] = [["content-length", [Buffer.from(String(BODY_BYTES))]]];
  const transport = { kind: "tcp" } as const;
  const { signal } = new AbortController();
  return { method: "POST", uri: "/", version: "HTTP/1.1", headers, body, port: 80, source: null, destination: null, transport, signal };
}

test("the rest of an upload that was answered early is not sent, and not kept either", { timeout: 30_000 }, async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  using forwarder = new RequestForwarder({ server: { host: "127.0.0.1", port }, http2: false, connectTarget: null });
  const request = upload();
  const connected = once(server, "connection") as Promise<[Socket]>;
  const answering = forwarder.forward(request, new Transfer("POST /", () => undefined), request.signal);
  // Answers at the first bytes, keeps the connection, and reads nothing more.
  const [socket] = await connected;
  await once(socket, "data");
  socket.pause();
  socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly");
  const { status, body } = await answering;
  assert.equal(status, 200);
  const answer: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) answer.push(chunk);
  assert.equal(Buffer.concat(answer).toString(), "early");
  const closed = once(socket, "close");
  socket.resume();
  await closed;
  assert.ok(socket.bytesRead < BODY_BYTES, `${socket.bytesRead} bytes were sent`);
  assert.ok(request.body.destroyed);
  server.close();
});
