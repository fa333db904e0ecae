// How long a pod waits for its agent, and a client for the first port that is redirected.

import { targetPorts } from "@understudy/test";
import type { Work } from "../work.ts";

export const startUp: readonly Work[] = [
  {
    name: "startUp/ready",
    about: "from the start of the process until it serves, and the first subscription",
    measure: async ({ readyAfterMs, session }) => {
      const client = await session();
      const began = performance.now();
      await client.steal(targetPorts.http, { filter: { kind: "path", value: "^/nothing$" } });
      const subscribedMs = performance.now() - began;
      return [
        { what: "start until ready", unit: "ms", better: "lower", value: readyAfterMs },
        { what: "first subscription to a port", unit: "ms", better: "lower", value: subscribedMs },
      ];
    },
  },
];
