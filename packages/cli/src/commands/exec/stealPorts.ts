// Requests of the target's ports, answered by the command while it runs.

import type { LastingSession } from "@understudy/client";
import { type FilterChoice, httpFilter } from "../../incoming/filterOptions.ts";
import { forwardConnection } from "../../incoming/forwardConnection.ts";
import type { PortMapping } from "../../incoming/portMapping.ts";
import { RequestForwarder } from "../../incoming/requestForwarder.ts";
import { Transfer, type TransferEnd } from "../../incoming/transfer.ts";
import { type Output, printable } from "../../output.ts";

/** Subscribes; the ports are the target's again when what is returned is disposed. */
export async function stealPorts(
  session: LastingSession,
  mappings: readonly PortMapping[],
  filters: FilterChoice,
  output: Output,
): Promise<AsyncDisposable> {
  await using owned = new AsyncDisposableStack();
  const ended = (transfer: Transfer, { status, durationMs, error }: TransferEnd): void => {
    output.detail(
      `stolen: ${printable(transfer.name)}  ${status ?? "---"}  ${Math.round(durationMs)} ms${error === null ? "" : `  ${printable(error)}`}`,
    );
  };
  for (const { port, serverPort } of mappings) {
    const server = { host: "localhost", port: serverPort ?? port };
    const forwarder = owned.use(new RequestForwarder({ server, http2: false, connectTarget: null }));
    const subscription = await session.steal(port, {
      filter: httpFilter(filters),
      onRequest: (request) => forwarder.forward(request, new Transfer(`${request.method} ${request.uri}`, ended), request.signal),
      onConnection: ({ stream, source }) => void forwardConnection(stream, new Transfer(`TCP ${source.ip}`, ended), server, null),
    });
    owned.defer(() => subscription.close());
  }
  return owned.move();
}
