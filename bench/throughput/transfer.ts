// One measured transfer, as a program of its own: opens a connection in one of three ways, moves bytes for a while, and prints how many, and the processor time
// that the process under measure took meanwhile.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAgent } from "@understudy/client";
import { ClientMessage, DaemonMessage, StreamDecoder, Writer } from "@understudy/protocol";
import { ProcessTree } from "@understudy/test";
import type { TransferResult, TransferTask } from "./transferTask.ts";

const PIECE = Buffer.alloc(64 * 1024, "understudy ");

/** Opens connections and starts moving bytes; `moved` is told of them. */
type Start = (task: TransferTask, moved: (bytes: number) => void) => Promise<void>;

async function startPlain({ host, port, direction, first, connections }: TransferTask, moved: (bytes: number) => void): Promise<void> {
  for (let i = 0; i < connections; i++) {
    const socket = await dial(host, port, moved);
    if (first !== "") socket.write(first, "latin1");
    if (direction === "up") writeWithoutEnd(socket, () => socket.write(PIECE, () => moved(PIECE.length)));
  }
}

async function startRaw({ host, port, peerPort, direction }: TransferTask, moved: (bytes: number) => void): Promise<void> {
  let isOpen = false;
  const decoder = new StreamDecoder(DaemonMessage);
  const { promise: opened, resolve } = Promise.withResolvers<bigint | number>();
  const socket = connect({
    host,
    port,
    noDelay: true,
    onread: {
      buffer: Buffer.alloc(256 * 1024),
      callback: (length, buffer) => {
        if (isOpen) moved(length);
        else {
          decoder.feed(new Uint8Array(buffer.subarray(0, length)));
          for (let message = decoder.next(); message !== undefined && !isOpen; message = decoder.next()) {
            if (message.kind !== "tcpOutgoing" || message.value.kind !== "connectV2") continue;
            const { connect: answer } = message.value.value;
            if (answer.kind === "err") throw new Error("the agent does not connect");
            isOpen = true;
            resolve(answer.value.connectionId);
          }
        }
        return true;
      },
    },
  });
  socket.write(encode({ kind: "switchProtocolVersion", value: "1.29.0" }));
  const remoteAddress = { kind: "ip", value: { ip: "127.0.0.1", port: peerPort } } as const;
  socket.write(encode({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid: 1n, remoteAddress } } }));
  const connectionId = await opened;
  if (direction === "down") return;
  const message = encode({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: PIECE } } });
  writeWithoutEnd(socket, () => socket.write(message, () => moved(PIECE.length)));
}

function encode(message: ClientMessage): Buffer {
  const writer = new Writer();
  ClientMessage.write(writer, message);
  return Buffer.concat(writer.take());
}

async function startLibrary({ host, port, peerPort, direction, connections }: TransferTask, moved: (bytes: number) => void): Promise<void> {
  const session = await connectAgent({ host, port });
  for (let i = 0; i < connections; i++) {
    const connection = await session.connectTcp({ ip: "127.0.0.1", port: peerPort });
    connection.on("data", (bytes: Uint8Array) => moved(bytes.length));
    if (direction === "up") writeWithoutEnd(connection, () => connection.write(PIECE, () => moved(PIECE.length)));
  }
}

async function dial(host: string, port: number, moved: (bytes: number) => void): Promise<Socket> {
  const onread = {
    buffer: Buffer.alloc(256 * 1024),
    callback: (length: number) => {
      moved(length);
      return true;
    },
  };
  const socket = connect({ host, port, noDelay: true, onread });
  await once(socket, "connect");
  return socket;
}

function writeWithoutEnd(stream: { on(event: "drain", listener: () => void): unknown }, write: () => boolean): void {
  const more = (): void => {
    while (write());
  };
  stream.on("drain", more);
  more();
}

const starts: Readonly<Record<TransferTask["how"], Start>> = { plain: startPlain, raw: startRaw, library: startLibrary };
const task = JSON.parse(process.argv[2] ?? "") as TransferTask;
let bytes = 0;
await starts[task.how](task, (more) => (bytes += more));
await sleep(task.warmUpSeconds * 1000);
const measured = new ProcessTree(task.pid ?? process.pid);
const before = { bytes, at: performance.now(), processorMs: await measured.processorMs() };
await sleep(task.seconds * 1000);
const result: TransferResult = {
  bytes: bytes - before.bytes,
  seconds: (performance.now() - before.at) / 1000,
  cpuSeconds: ((await measured.processorMs()) - before.processorMs) / 1000,
};
console.log(`ready ${JSON.stringify(result)}`);
process.exit(0);
