// The smallest message and its answer: what a session costs without any work.

import { inLoops, measureLoad, usualFigures } from "../load.ts";
import type { Work } from "../work.ts";

const ping = (name: string, inFlight: number, what: string): Work => ({
  name: `ping/${name}`,
  about: `${what} in one session`,
  measure: async (on) => {
    const session = await on.session();
    const ask = async (): Promise<void> => void (await session.ping());
    return usualFigures(what, await measureLoad(on, (meter, signal) => inLoops(meter, signal, inFlight, ask)));
  },
});

export const pings: readonly Work[] = [ping("single", 1, "pings, one at a time"), ping("pipelined", 64, "pings, 64 in flight")];
