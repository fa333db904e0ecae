// One port of this machine whose connections the agent continues.

import type { Socket } from "node:net";
import type { outgoing } from "@understudy/client";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { connectTo, type Destination, destinationText } from "../../proxy/destination.ts";
import { LocalServer } from "../../proxy/localServer.ts";
import { relay, relayServer, whileOpen } from "../../proxy/relay.ts";
import type { TrafficReport } from "../../proxy/trafficReport.ts";

export interface ForwardServices {
  readonly source: outgoing.SessionSource;
  readonly report: TrafficReport;
  readonly stopped: AbortSignal;
}

/** Listens; the caller owns the server. */
export async function forwardTcp(at: HostPort, to: Destination, services: ForwardServices): Promise<LocalServer> {
  return await LocalServer.listen(
    relayServer((socket) => void forwardOne(socket, to, services)),
    at,
  );
}

/** Never rejects. */
async function forwardOne(socket: Socket, to: Destination, { source, report, stopped }: ForwardServices): Promise<void> {
  const startedAtMs = performance.now();
  const from = formatHostPort({ host: socket.remoteAddress ?? "?", port: socket.remotePort ?? 0 });
  let error: unknown = null;
  // Told by `relay`, or of no interest: nobody waits for the answer.
  socket.on("error", () => undefined);
  try {
    await relay(socket, await connectTo(source, to, whileOpen(socket, stopped)));
  } catch (thrown) {
    error = thrown;
    // As a port that refuses; an end would be taken for an empty answer.
    socket.resetAndDestroy();
  }
  if (stopped.aborted) error = null;
  report.ended({
    transport: "tcp",
    from,
    to: destinationText(to),
    sent: socket.bytesRead,
    received: socket.bytesWritten,
    startedAtMs,
    error,
  });
}
