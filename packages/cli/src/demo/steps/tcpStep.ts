// A port that does not speak HTTP: its whole connections are taken.

import { expect } from "../expect.ts";
import { LAPTOP } from "../laptop.ts";
import { STOCK_PORT } from "../shopSettings.ts";
import type { Stage } from "../stage.ts";
import { answerStock, askStock } from "../stock.ts";
import { SHOP } from "../visitors.ts";
import type { DemoStep } from "./step.ts";

export const tcpStep: DemoStep = {
  name: "tcp",
  title: "You steal a port that does not speak HTTP, connection by connection",
  show: async (stage) => {
    stage.narrator.command(`steal ${STOCK_PORT} --to localhost:${STOCK_PORT}`, stage.agent);
    await ask(stage, "before", SHOP);
    {
      await using _stolen = await stage.session.steal(STOCK_PORT, {
        onConnection: ({ stream }) => answerStock(stream, 0, LAPTOP),
      });
      await ask(stage, "stolen", LAPTOP);
    }
    await ask(stage, "afterwards", SHOP);
  },
};

async function ask({ pod, narrator, signal }: Stage, when: string, who: string): Promise<void> {
  const answer = await askStock({ host: pod.addresses.pod, port: STOCK_PORT }, "coffee", signal);
  narrator.fact(when, answer);
  expect(answer.endsWith(`says ${who}`), `an answer of ${who}, not ${answer}`);
}
