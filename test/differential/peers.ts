// The peers of outgoing connections: small servers on loopback, in the network of the test's own thread.

import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Ports } from "./scenario.ts";

export interface Peers extends Disposable {
  readonly ports: Ports;
  readonly abstractName: string;
}

/** Starts all peers, on free ports. Connections that are open when they are disposed of are reset. */
export async function startPeers(): Promise<Peers> {
  using owned = new DisposableStack();
  const sockets = new Set<Socket>();
  owned.defer(() => sockets.forEach((socket) => socket.resetAndDestroy()));
  const serve = (onSocket: (socket: Socket) => void): Server => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
      onSocket(socket);
    });
    owned.defer(() => void server.close());
    return server;
  };
  const tcp = async (onSocket: (socket: Socket) => void): Promise<number> => {
    const server = serve(onSocket).listen({ port: 0 });
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const abstractName = `understudy-differential-${process.pid}`;
  const unix = serve((socket) => void socket.pipe(socket)).listen(`\0${abstractName}`);
  await once(unix, "listening");

  const udp = await bound();
  owned.defer(() => udp.close());
  udp.on("message", (message, { port, address }) => udp.send(message, port, address));

  const ports = {
    tcpEcho: await tcp((socket) => void socket.pipe(socket)),
    tcpGreeter: await tcp((socket) => void socket.end("hello").resume()),
    tcpResetter: await tcp((socket) => void socket.once("data", () => socket.resetAndDestroy())),
    tcpSource: await tcp((socket) => void socket.end(new Uint8Array(200_000).fill(120)).resume()),
    tcpClosed: await closedTcpPort(),
    udpEcho: udp.address().port,
    udpClosed: await closedUdpPort(),
  };
  const moved = owned.move();
  return { ports, abstractName, [Symbol.dispose]: () => moved.dispose() };
}

/** A port that was free a moment ago. */
export async function closedTcpPort(): Promise<number> {
  const server = createServer().listen({ port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function closedUdpPort(): Promise<number> {
  const socket = await bound();
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

async function bound(): Promise<DatagramSocket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}
