// Datagrams of one SOCKS client (RFC 1928, section 7): they come to a UDP socket of this machine, each with a header that says where it goes, as long as the
// connection that asked for it lasts. Only the client's own address may send them, and from one port.

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6, type Socket } from "node:net";
import { outgoing } from "@understudy/client";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { withTimeLimit } from "../../proxy/destination.ts";
import type { TrafficReport } from "../../proxy/trafficReport.ts";
import { UdpFlows } from "../../proxy/udpFlows.ts";
import { plainIp, readDatagram, reply, replyMessage, writeDatagram } from "./socksMessages.ts";

/** Most peers of one client at once. */
const FLOWS_MAX = 64;

export interface AssociationServices {
  readonly source: outgoing.SessionSource;
  readonly report: TrafficReport;
}

/** Resolves when the client's connection has ended. `announced` is where it will send from; port 0 is any. */
export async function associate(client: Socket, announced: HostPort, open: AbortSignal, services: AssociationServices): Promise<void> {
  const here = client.localAddress ?? "127.0.0.1";
  const socket = createSocket(isIPv6(here) ? "udp6" : "udp4");
  try {
    socket.bind({ address: here, port: 0 });
    await once(socket, "listening", { signal: open });
    socket.on("error", () => undefined);
    using _flows = carry(socket, { clientAddress: client.remoteAddress ?? "", clientPort: announced.port }, services);
    client.write(replyMessage(reply.succeeded, { host: plainIp(here), port: socket.address().port }));
    client.resume();
    client.once("end", () => client.end());
    if (!client.destroyed) await once(client, "close");
  } finally {
    socket.close();
    client.destroy();
  }
}

interface Sender {
  readonly clientAddress: string;
  /** 0 until the first datagram. */
  clientPort: number;
}

function carry(socket: UdpSocket, sender: Sender, { source, report }: AssociationServices): Disposable {
  const flows = new UdpFlows({ flowsMax: FLOWS_MAX, report });
  socket.on("message", (bytes, { address, port }) => {
    if (address !== sender.clientAddress || (sender.clientPort !== 0 && port !== sender.clientPort)) return;
    sender.clientPort = port;
    const datagram = readDatagram(bytes);
    if (datagram === null) return;
    const { to } = datagram;
    const key = formatHostPort(to);
    flows.send(key, datagram.data, () => ({
      from: formatHostPort({ host: address, port }),
      to: key,
      connect: (signal) => withTimeLimit(key, signal, (limited) => outgoing.connectUdpHost(source, to, { signal: limited })),
      onReply: (data, { peerAddress }) => {
        const from = peerAddress.kind === "ip" ? { host: peerAddress.value.ip, port: peerAddress.value.port } : to;
        socket.send(writeDatagram(from, data), port, address, () => undefined);
      },
    }));
  });
  return flows;
}
