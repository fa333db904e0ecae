// Round trips of 64 bytes over connections that the agent makes: TCP and a unix socket of the target.

import { join } from "node:path";
import type { Session, TcpConnection } from "@understudy/client";
import { targetPorts } from "@understudy/test";
import { EchoStream } from "../echoStream.ts";
import { inLoops, measureLoad, usualFigures } from "../load.ts";
import { unixEchoName } from "../ports.ts";
import type { Measurement, Work } from "../work.ts";

const BYTES = 64;

type Connect = (session: Session, on: Measurement) => Promise<TcpConnection>;
const connectTcp: Connect = (session) => session.connectTcp({ ip: "127.0.0.1", port: targetPorts.echo });
const connectUnix: Connect = (session, { folder }) => session.connectTcp({ path: join(folder, unixEchoName) });

const roundTrips = (kind: string, connections: number, connect: Connect): Work => ({
  name: `roundTrips/${kind}-${connections}`,
  about: `${BYTES} bytes there and back, on ${connections} ${kind} connections of one session`,
  measure: async (on) => {
    const session = await on.session();
    const made = await Promise.all(Array.from({ length: connections }, () => connect(session, on)));
    const echoes = made.map((connection) => new EchoStream(connection, BYTES));
    const reading = await measureLoad(on, (meter, signal) => inLoops(meter, signal, connections, (index) => echoes[index]!.roundTrip()));
    for (const echo of echoes) echo.close();
    return usualFigures(`${kind} round trips, ${connections} connection${connections === 1 ? "" : "s"}`, reading);
  },
});

export const streamRoundTrips: readonly Work[] = [
  roundTrips("tcp", 1, connectTcp),
  roundTrips("tcp", 64, connectTcp),
  roundTrips("unix", 1, connectUnix),
];
