// A name server on this machine: the sockets, UDP and TCP at the same port, and how much may be under way.

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, isIPv6, type Socket } from "node:net";
import type { HostPort } from "../../hostPort.ts";
import { listenError, LocalServer } from "../../proxy/localServer.ts";
import { type Answered, answerQuery, busyAnswer, type Names } from "./answerQuery.ts";

export interface DnsServerOptions {
  readonly names: Names;
  /** Called for each query with what became of it. */
  readonly onAnswered: (answered: Answered, from: HostPort, durationMs: number) => void;
  /** Most queries under way; those beyond get SERVFAIL. Default 256. */
  readonly inFlightMax?: number;
}

/** How long a TCP connection may be idle (RFC 7766 leaves it to the server). */
const TCP_IDLE_MAX_MS = 10_000;
/** No query of one question is longer. */
const QUERY_MAX_BYTES = 4096;
/** How often to look for a port that is free for both, where any will do. */
const ATTEMPTS_MAX = 10;

/** Listens; the caller owns what is returned. */
export async function startDnsServer(at: HostPort, options: DnsServerOptions): Promise<AsyncDisposable & { readonly address: HostPort }> {
  const queries = new Queries(options);
  for (let attempt = 1; ; attempt++) {
    await using owned = new AsyncDisposableStack();
    const udp = owned.adopt(await listenUdp(at), closeUdp);
    const address = { host: at.host, port: udp.address().port };
    try {
      owned.use(
        await LocalServer.listen(
          createServer((socket) => void serveTcp(socket, queries)),
          address,
        ),
      );
    } catch (error) {
      if (at.port === 0 && attempt < ATTEMPTS_MAX) continue;
      throw error;
    }
    udp.on("message", (bytes, { address: host, port }) => void serveDatagram(udp, bytes, { host, port }, queries));
    const moved = owned.move();
    return { address, [Symbol.asyncDispose]: () => moved.disposeAsync() };
  }
}

/** All queries of one server. */
class Queries {
  readonly #options: DnsServerOptions;
  #inFlight = 0;

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async answer(bytes: Buffer, transport: "udp" | "tcp", from: HostPort): Promise<Buffer | null> {
    const { names, onAnswered, inFlightMax = 256 } = this.#options;
    const startedAt = performance.now();
    if (this.#inFlight >= inFlightMax) return busyAnswer(bytes).bytes;
    this.#inFlight += 1;
    const answered = await answerQuery(bytes, transport, names);
    this.#inFlight -= 1;
    onAnswered(answered, from, performance.now() - startedAt);
    return answered.bytes;
  }
}

async function listenUdp({ host, port }: HostPort): Promise<UdpSocket> {
  const udp = createSocket(isIPv6(host) ? "udp6" : "udp4");
  try {
    udp.bind({ address: host, port });
    await once(udp, "listening");
  } catch (error) {
    udp.close();
    throw listenError(error, { host, port });
  }
  // Such as an answer that nobody takes.
  udp.on("error", () => undefined);
  return udp;
}

async function closeUdp(udp: UdpSocket): Promise<void> {
  const closed = once(udp, "close");
  udp.close();
  await closed;
}

async function serveDatagram(udp: UdpSocket, bytes: Buffer, from: HostPort, queries: Queries): Promise<void> {
  const answer = await queries.answer(bytes, "udp", from);
  if (answer === null) return;
  try {
    udp.send(answer, from.port, from.host, () => undefined);
  } catch {
    // The server has been closed meanwhile, or nobody can be at that port: there is nobody to tell.
  }
}

/** Queries of one connection, one after the other. Never rejects. */
async function serveTcp(socket: Socket, queries: Queries): Promise<void> {
  const from = { host: socket.remoteAddress ?? "?", port: socket.remotePort ?? 0 };
  socket.setTimeout(TCP_IDLE_MAX_MS, () => socket.destroy());
  let waiting = Buffer.alloc(0);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE()) {
        const end = 2 + waiting.readUInt16BE();
        const answer = await queries.answer(waiting.subarray(2, end), "tcp", from);
        waiting = waiting.subarray(end);
        if (answer === null || socket.destroyed) return;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        if (!socket.write(Buffer.concat([length, answer]))) await once(socket, "drain");
      }
      if (waiting.length >= 2 && waiting.readUInt16BE() > QUERY_MAX_BYTES) return;
    }
    socket.end();
  } catch {
    // The client broke it off.
  } finally {
    if (!socket.writableEnded) socket.destroy();
  }
}
