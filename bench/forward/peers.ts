// The two ends of a measured transfer, as a program of its own: one port sends bytes without end, another takes all that comes. Prints both ports.

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

const PIECE = Buffer.alloc(256 * 1024, "understudy ");

function sendWithoutEnd(socket: Socket): void {
  const more = (): void => {
    while (socket.write(PIECE));
  };
  socket.on("drain", more);
  more();
}

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const source = await listen(sendWithoutEnd);
const sink = await listen((socket) => socket.resume());
console.log(`ready ${JSON.stringify({ source, sink })}`);
