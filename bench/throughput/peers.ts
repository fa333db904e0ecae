// The far ends of a measured transfer, as a program of its own: ports that send bytes without end, or take all that come, raw or as bodies of HTTP/1. Prints the
// ports. Raw senders begin at once, those of HTTP when the request is there.

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { answerHeads } from "../answerHeads.ts";
import { endlessBody } from "./endless.ts";

export interface PeerPorts {
  readonly source: number;
  readonly sink: number;
  readonly httpSource: number;
  readonly httpSink: number;
  /** Answers requests shortly. */
  readonly httpShort: number;
}

const PIECE = Buffer.alloc(256 * 1024, "understudy ");
const SHORT_ANSWER = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\nserver\n";

function sendWithoutEnd(socket: Socket): void {
  const more = (): void => {
    while (socket.write(PIECE));
  };
  socket.on("drain", more).resume();
  more();
}

function answerWithoutEnd(socket: Socket): void {
  socket.once("data", () => {
    socket.write(`HTTP/1.1 200 OK\r\n${endlessBody}\r\n\r\n`);
    sendWithoutEnd(socket);
  });
}

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const drop = (socket: Socket): void => void socket.resume();
const ports: PeerPorts = {
  source: await listen(sendWithoutEnd),
  sink: await listen(drop),
  httpSource: await listen(answerWithoutEnd),
  httpSink: await listen(drop),
  httpShort: await listen((socket) => answerHeads(socket, SHORT_ANSWER)),
};
console.log(`ready ${JSON.stringify(ports)}`);
