// Short connections: made and closed, many at once.

import { targetPorts } from "@understudy/test";
import { inLoops, measureLoad, usualFigures } from "../load.ts";
import type { Work } from "../work.ts";
import { connectsUnderBulk } from "./bulk.ts";

const AT_ONCE = 8;

const churn: Work = {
  name: "connects/churn",
  about: `connections made and closed, ${AT_ONCE} at once`,
  measure: async (on) => {
    const session = await on.session();
    const address = { ip: "127.0.0.1", port: targetPorts.echo };
    const connectAndClose = async (): Promise<void> => void (await session.connectTcp(address)).destroy();
    return usualFigures("connects", await measureLoad(on, (meter, signal) => inLoops(meter, signal, AT_ONCE, connectAndClose)));
  },
};

export const connects: readonly Work[] = [churn, connectsUnderBulk];
