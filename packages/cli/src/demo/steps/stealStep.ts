// The requests of one visitor are answered by this process, those of all others by the shop as ever.

import { addedHeaders, expect, expectSame } from "../expect.ts";
import { answerFromLaptop, LAPTOP } from "../laptop.ts";
import type { Pod } from "../pod.ts";
import { SHOP_PORT } from "../shopSettings.ts";
import type { Stage } from "../stage.ts";
import { visit } from "../visit.ts";
import { coffee, mine, MINE_FILTER, order, see, SHOP, shopOf } from "../visitors.ts";
import type { DemoStep } from "./step.ts";

const OTHER_VISITS = 100;

export const stealStep: DemoStep = {
  name: "steal",
  title: "You steal the requests that carry x-demo: me. Your laptop answers them",
  show: async (stage) => {
    const { pod, session, before, narrator } = stage;
    narrator.command(`steal ${SHOP_PORT} --to localhost:3000 --header '${MINE_FILTER}'`, stage.agent);
    {
      await using _stolen = await session.steal(SHOP_PORT, {
        filter: { kind: "header", value: MINE_FILTER },
        onRequest: answerFromLaptop,
      });
      narrator.fact("session", `protocol ${session.version}; the agent redirects port ${SHOP_PORT} by ${await tablesText(pod)}`);
      await visitAsMyself(stage);
      narrator.text("Meanwhile all others get the shop, and do not notice:");
      await visitAsOthers(stage);
    }
    narrator.text("You stop stealing, and your requests are the shop's again:");
    expectSame(await see(stage, { ...coffee, headers: mine }, SHOP), before);
  },
};

async function visitAsMyself(stage: Stage): Promise<void> {
  const { hasIpv6, addresses } = stage.pod;
  await see(stage, { ...coffee, headers: mine }, LAPTOP);
  await see(stage, { ...order, headers: mine }, LAPTOP);
  if (hasIpv6) await see(stage, { ...coffee, headers: mine, note: "IPv6" }, LAPTOP, addresses.pod6);
}

async function visitAsOthers(stage: Stage): Promise<void> {
  const { pod, before, narrator, signal } = stage;
  await see(stage, { ...coffee, headers: { "x-demo": "you" } }, SHOP);
  await see(stage, order, SHOP);
  const durations: number[] = [];
  let added: readonly string[] = [];
  for (let i = 0; i < OTHER_VISITS; i++) {
    const startedAt = performance.now();
    added = addedHeaders(await visit(shopOf(pod), coffee, signal), before);
    durations.push(performance.now() - startedAt);
  }
  const median = durations.toSorted((a, b) => a - b)[OTHER_VISITS / 2] ?? 0;
  narrator.text(`${OTHER_VISITS} more, ${median.toFixed(1)} ms each: the same status, headers and body as in step 3`);
  // While a port is stolen from, answers depend on who asks, which caches must know.
  if (added.length > 0) narrator.text(`(plus one header for caches, the agent's default: ${added.join(", ")})`);
}

async function tablesText(pod: Pod): Promise<string> {
  const tables = await pod.filterTables();
  expect(tables.length > 0, "a rule of the agent, not none");
  return tables.join(", ");
}
