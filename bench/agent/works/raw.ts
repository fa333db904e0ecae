// Raw TCP of a port that is stolen as a whole: peers' bytes there and back, echoed by the client.

import { once } from "node:events";
import { connect } from "node:net";
import { podIpv4, targetPorts } from "@understudy/test";
import { EchoStream } from "../echoStream.ts";
import { inLoops, measureLoad, usualFigures } from "../load.ts";
import type { Work } from "../work.ts";

const BYTES = 64;

const raw = (connections: number): Work => ({
  name: `raw/${connections}`,
  about: `round trips of peers over ${connections} stolen connections`,
  measure: async (on) => {
    const session = await on.session();
    let stolen = 0;
    await session.steal(targetPorts.echo, {
      onConnection: ({ stream }) => {
        stolen += 1;
        stream.pipe(stream);
      },
    });
    const echoes = await Promise.all(
      Array.from({ length: connections }, async () => {
        const socket = connect({ host: podIpv4, port: targetPorts.echo, noDelay: true });
        await once(socket, "connect");
        return new EchoStream(socket, BYTES);
      }),
    );
    const reading = await measureLoad(on, (meter, signal) => inLoops(meter, signal, connections, (index) => echoes[index]!.roundTrip()));
    for (const echo of echoes) echo.close();
    if (stolen !== connections) throw new Error(`${stolen} of ${connections} connections were stolen`);
    return usualFigures(`raw TCP stolen, ${connections} connection${connections === 1 ? "" : "s"}, round trips`, reading);
  },
});

export const rawWorks: readonly Work[] = [raw(1), raw(32)];
