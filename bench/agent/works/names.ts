// Look-ups: names that the target's hosts file has, and names for which its server is asked.

import { targetHost } from "@understudy/test";
import { inLoops, measureLoad, usualFigures } from "../load.ts";
import type { Work } from "../work.ts";

const lookups = (variant: string, what: string, atOnce: number, name: (number: number) => string): Work => ({
  name: `names/${variant}`,
  about: what,
  measure: async (on) => {
    const session = await on.session();
    let number = 0;
    const lookUp = async (): Promise<void> => {
      const found = await session.lookup(name((number += 1)), "ipv4Only");
      if (found.length === 0) throw new Error("a name has no address");
    };
    return usualFigures(what, await measureLoad(on, (meter, signal) => inLoops(meter, signal, atOnce, lookUp)));
  },
});

export const names: readonly Work[] = [
  lookups("hosts-1", "names in the hosts file, one at a time", 1, () => targetHost.name),
  lookups("hosts-16", "names in the hosts file, 16 at a time", 16, () => targetHost.name),
  lookups("server", "names of a server, one at a time", 1, (number) => `name-${number}.example.test`),
];
