// A target that serves websockets with the library `ws`, with compression: it echoes messages, in front of each its own name. It takes its port as an argument, and ends
// with its process namespace.

import { createServer } from "node:http";
import { argv } from "node:process";
import { WebSocketServer } from "ws";

const server = createServer((_request, response) => void response.end("target\n"));
const sockets = new WebSocketServer({ server, perMessageDeflate: { threshold: 100 }, maxPayload: 32 * 1024 * 1024 });
sockets.on("connection", (socket) => {
  socket.on("error", () => undefined);
  socket.on("message", (message: Buffer, isBinary) => {
    if (isBinary) socket.send(message);
    else socket.send(`target ${message.toString()}`);
  });
  socket.send("target welcomes");
});
server.listen(Number(argv[2]), "::");
