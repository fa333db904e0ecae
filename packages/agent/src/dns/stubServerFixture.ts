// A DNS server for tests, on 127.0.0.1 over UDP and TCP at the same port. It uses a codec of its own kind (dns-packet), so that a
// misunderstanding of the format does not cancel itself out.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { decode, encode, type Answer, type DecodedPacket, type Packet, type Question } from "dns-packet";

/** What the stub says: a message (id and question are added), raw bytes, or nothing at all. */
export type StubReply = (Packet & { rcode?: number }) | Buffer | null;

export interface StubServer extends AsyncDisposable {
  readonly port: number;
  /** Every query that arrived, with how and from which port. */
  readonly queries: { readonly question: Question; readonly via: "udp" | "tcp"; readonly port: number; readonly packet: DecodedPacket }[];
}

export type StubHandler = (question: Question, via: "udp" | "tcp", packet: DecodedPacket) => StubReply;

const response = 0x8180;

export async function startStubServer(answer: StubHandler, ip = "127.0.0.1", port = 0): Promise<StubServer> {
  const queries: StubServer["queries"] = [];
  const reply = (bytes: Buffer, via: "udp" | "tcp", peerPort: number): Buffer | null => {
    const packet = decode(bytes);
    const question = packet.questions?.[0];
    if (question === undefined) return null;
    queries.push({ question, via, port: peerPort, packet });
    const said = answer(question, via, packet);
    if (said === null || Buffer.isBuffer(said)) return said;
    const { rcode = 0, flags = 0, ...parts } = said;
    const message = encode({ id: packet.id, type: "response", flags: response | flags | rcode, questions: [question], ...parts });
    return message;
  };

  const tcp = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      const bytes = reply(chunk.subarray(2), "tcp", socket.remotePort ?? 0);
      if (bytes === null) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      // In two parts: an answer may arrive in any.
      socket.write(length);
      socket.write(bytes);
    });
  });
  tcp.listen(port, ip);
  await once(tcp, "listening");
  const bound = (tcp.address() as AddressInfo).port;
  const udp = createSocket("udp4");
  udp.on("message", (bytes, peer) => {
    const message = reply(bytes, "udp", peer.port);
    if (message !== null) udp.send(message, peer.port, peer.address);
  });
  udp.bind(bound, ip);
  await once(udp, "listening");
  return {
    port: bound,
    queries,
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
      await once(tcp, "close");
    },
  };
}

/** Address records of a name. */
export function addresses(name: string, type: "A" | "AAAA", ips: readonly string[], ttl = 30): Answer[] {
  return ips.map((data) => ({ name, type, ttl, data }));
}
