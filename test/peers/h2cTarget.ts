// A target that takes the way to HTTP/2 that starts from HTTP/1.1 (RFC 7540, 3.2): it accepts `Upgrade: h2c` with 101, unless the path is /declines, and answers every other request as
// HTTP/1.1. No field of a request over HTTP/2 is looked at. It takes its port as an argument, and ends with its process namespace.

import { createServer, type Socket } from "node:net";
import { argv } from "node:process";

const PREFACE_BYTES = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;
const [DATA, HEADERS, SETTINGS] = [0, 1, 4];
const [END_STREAM, ACK, END_HEADERS] = [1, 1, 4];
/** `:status: 200` in HPACK's static table. */
const STATUS_200 = Buffer.from([0x88]);

function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

function answer(socket: Socket, streamId: number): void {
  socket.write(frame(HEADERS, END_HEADERS, streamId, STATUS_200));
  socket.write(frame(DATA, END_STREAM, streamId, Buffer.from(`target over HTTP/2, stream ${streamId}\n`)));
}

/** Serves HTTP/2 from the peer's preface on, which is in `bytes` as far as it has come. Returns what is left of them. */
function takeFrames(socket: Socket, bytes: Buffer): Buffer {
  let rest = bytes;
  while (rest.length >= 9) {
    const length = rest.readUIntBE(0, 3);
    if (rest.length < 9 + length) break;
    const [type, flags, streamId] = [rest.readUInt8(3), rest.readUInt8(4), rest.readUInt32BE(5)];
    if (type === SETTINGS && (flags & ACK) === 0) socket.write(frame(SETTINGS, ACK, 0));
    if (type === HEADERS) answer(socket, streamId);
    rest = rest.subarray(9 + length);
  }
  return rest;
}

/** Answers one request of HTTP/1.1 if it is all there. Returns what is left, and whether it is HTTP/2 from there on. */
function takeRequest(socket: Socket, bytes: Buffer): { readonly rest: Buffer; readonly isUpgraded: boolean } {
  const headEnd = bytes.indexOf("\r\n\r\n");
  const head = bytes.toString("latin1", 0, Math.max(headEnd, 0));
  const end = headEnd + 4 + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  if (headEnd < 0 || bytes.length < end) return { rest: bytes, isUpgraded: false };
  const path = head.split(" ")[1] ?? "";
  const rest = bytes.subarray(end);
  if (/^upgrade: *h2c/im.test(head) && path !== "/declines") {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    socket.write(frame(SETTINGS, 0, 0));
    answer(socket, 1);
    return { rest, isUpgraded: true };
  }
  const body = `target over HTTP/1.1 ${path}\n`;
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return takeRequest(socket, rest);
}

const server = createServer((socket) => {
  let bytes = Buffer.alloc(0);
  let isUpgraded = false;
  let hasPreface = false;
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!isUpgraded) ({ rest: bytes, isUpgraded } = takeRequest(socket, bytes) as { rest: typeof bytes; isUpgraded: boolean });
    if (isUpgraded && !hasPreface && bytes.length >= PREFACE_BYTES) {
      hasPreface = true;
      bytes = bytes.subarray(PREFACE_BYTES);
    }
    if (hasPreface) bytes = takeFrames(socket, bytes) as typeof bytes;
  });
});
server.listen(Number(argv[2]), "::");
