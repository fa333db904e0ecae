// One UDP port of this machine whose datagrams the agent sends on, for each program that sends from a socket of its own.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { outgoing } from "@understudy/client";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { withTimeLimit } from "../../proxy/destination.ts";
import { listenError } from "../../proxy/localServer.ts";
import { UdpFlows } from "../../proxy/udpFlows.ts";
import type { ForwardServices } from "./forwardTcp.ts";

/** Most programs at once. */
const FLOWS_MAX = 256;

/** Listens; the caller owns what is returned. */
export async function forwardUdp(
  at: HostPort,
  to: HostPort,
  { source, report }: ForwardServices,
): Promise<{ readonly address: HostPort } & AsyncDisposable> {
  const socket = createSocket(isIPv6(at.host) ? "udp6" : "udp4");
  const flows = new UdpFlows({ flowsMax: FLOWS_MAX, report });
  socket.on("message", (datagram, { address, port }) => {
    const from = formatHostPort({ host: address, port });
    flows.send(from, datagram, () => ({
      from,
      to: formatHostPort(to),
      connect: (signal) => withTimeLimit(formatHostPort(to), signal, (limited) => outgoing.connectUdpHost(source, to, { signal: limited })),
      // The program may be gone; its kernel says so, and nobody needs to know.
      onReply: (reply) => socket.send(reply, port, address, () => undefined),
    }));
  });
  try {
    socket.bind({ address: at.host, port: at.port });
    await once(socket, "listening");
  } catch (error) {
    socket.close();
    throw listenError(error, at);
  }
  socket.on("error", () => undefined);
  return {
    address: { host: at.host, port: socket.address().port },
    [Symbol.asyncDispose]: async () => {
      flows[Symbol.dispose]();
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}
