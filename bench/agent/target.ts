// The target of measurements, beside the one that every pod has. It does as little as it can, so that figures are the agent's: its HTTP looks for the ends of
// heads alone. It takes the folder of its unix socket as argument and ends with its pod.

import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { argv } from "node:process";
import { answerHeads } from "../answerHeads.ts";
import { benchPorts, unixEchoName } from "./ports.ts";

const answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\ntarget\n";

function serveHttp(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on("error", () => undefined);
  answerHeads(socket, answer);
}

const PIECE = Buffer.alloc(128 * 1024, "understudy ");
const PIECE_EVERY_MS = 32;

function sendAtAPace(socket: Socket): void {
  const timer = setInterval(() => socket.writableNeedDrain || socket.write(PIECE), PIECE_EVERY_MS);
  socket.on("error", () => undefined).on("close", () => clearInterval(timer));
  socket.resume();
}

const drop = (socket: Socket): void => void socket.on("error", () => undefined).resume();
const echo = (socket: Socket): void => void socket.on("error", () => undefined).pipe(socket);

createServer(serveHttp).listen({ host: "::", port: benchPorts.http, backlog: 4096 });
createServer(sendAtAPace).listen({ host: "::", port: benchPorts.pacedSource, backlog: 4096 });
createServer(drop).listen({ host: "::", port: benchPorts.sink, backlog: 4096 });
createServer(echo).listen(join(argv[2] ?? ".", unixEchoName));
