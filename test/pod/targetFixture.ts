// The target of a pod: process 1 of its own process namespace. It serves HTTP, echoes TCP and UDP, sends without end to whoever connects to one port, and
// makes HTTP requests when it is told to by JSON lines. It ends with its standard input, and with it everything in its process namespace.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { request, type RequestOptions } from "./http.ts";
import { nameServer, type TargetSaw, targetPorts } from "./ports.ts";

const print = (message: object): void => void stdout.write(`${JSON.stringify(message)}\n`);

const http = createHttpServer((incoming, response) => {
  const { remoteAddress = "", localAddress = "", localPort = 0 } = incoming.socket;
  const saw: TargetSaw = { by: "target", path: incoming.url ?? "", peer: remoteAddress, address: localAddress, port: localPort };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(saw));
});
const otherHttp = createHttpServer((_incoming, response) => void response.end('{"by":"target"}'));
const echo = createServer((socket) => void socket.on("error", () => undefined).pipe(socket));
const block = Buffer.alloc(64 * 1024, "understudy ");
const source = createServer((socket) => {
  const fill = (): void => {
    while (socket.writable && socket.write(block));
  };
  socket
    .on("error", () => undefined)
    .on("drain", fill)
    .resume();
  fill();
});
for (const [server, port] of [
  [http, targetPorts.http],
  [otherHttp, targetPorts.otherHttp],
  [echo, targetPorts.echo],
  [source, targetPorts.source],
] as const) {
  server.listen({ host: "::", port, backlog: 4096 });
  await once(server, "listening");
}
const datagrams = createSocket("udp6");
datagrams.on("message", (message, peer) => datagrams.send(message, peer.port, peer.address)).bind(targetPorts.echo);
await once(datagrams, "listening");
const names = createSocket("udp4");
names.on("message", (query, peer) => names.send(nameAnswer(query), peer.port, peer.address)).bind(53, nameServer.ip);
await once(names, "listening");
print({ ready: true });

for await (const line of createInterface({ input: stdin })) {
  const { id, ...options } = JSON.parse(line) as RequestOptions & { id: number };
  request(options).then(
    (response) => print({ id, response }),
    (error: unknown) => print({ id, error: String(error) }),
  );
}
process.exit(0);

/** An answer with one address to a query for IPv4 addresses, with none to others, and "no such name" for `missing.*` (RFC 1035). */
function nameAnswer(query: Buffer): Buffer {
  const questionEnd = query.indexOf(0, 12) + 5;
  const isIpv4 = query.readUInt16BE(questionEnd - 4) === 1;
  const isMissing = query.subarray(13, 20).toString("latin1") === "missing";
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(isMissing ? 0x8183 : 0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isIpv4 && !isMissing ? 1 : 0, 6);
  const address = Buffer.from(nameServer.answer.split(".").map(Number));
  const record = Buffer.concat([Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]), address]);
  return Buffer.concat([header, query.subarray(12, questionEnd), isIpv4 && !isMissing ? record : Buffer.alloc(0)]);
}
