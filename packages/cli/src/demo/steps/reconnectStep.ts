// A connection to the agent that breaks is made again, with what was subscribed over it.

import type { Socket } from "node:net";
import { connectSocket, LastingSession, openSession } from "@understudy/client";
import { answerFromLaptop, LAPTOP } from "../laptop.ts";
import { unlessAborted } from "../programs.ts";
import { SHOP_PORT } from "../shopSettings.ts";
import { coffee, mine, MINE_FILTER, see } from "../visitors.ts";
import type { DemoStep } from "./step.ts";

const FIRST_DELAY_MS = 20;

export const reconnectStep: DemoStep = {
  name: "reconnect",
  title: "The connection to the agent breaks, comes back by itself, and steals again",
  show: async (stage) => {
    const { agent, narrator, signal } = stage;
    const { promise: isRestored, resolve } = Promise.withResolvers<void>();
    const connections: Socket[] = [];
    const openOne = async (ending: AbortSignal) => {
      const connection = await connectSocket(agent, ending);
      connections.push(connection);
      return await openSession(connection, { signal: ending });
    };
    await using session = await LastingSession.open(openOne, { signal, firstDelayMs: FIRST_DELAY_MS, onRestored: resolve });
    await using _stolen = await session.steal(SHOP_PORT, { filter: { kind: "header", value: MINE_FILTER }, onRequest: answerFromLaptop });
    await see(stage, { ...coffee, headers: mine }, LAPTOP);
    const cutAt = performance.now();
    connections.at(-1)?.destroy();
    await unlessAborted(isRestored, signal);
    narrator.fact("connection", `cut, and back after ${Math.round(performance.now() - cutAt)} ms, as with steal, mirror and all that last`);
    await see(stage, { ...coffee, headers: mine }, LAPTOP);
  },
};
