// A program of this machine that knows nothing of agents, with the environment and the network of the shop.

import { commandEnvironment } from "../../commands/exec/commandEnvironment.ts";
import { startProxies } from "../../commands/exec/startProxies.ts";
import { expect } from "../expect.ts";
import { runWith } from "../programs.ts";
import type { DemoStep } from "./step.ts";

/** The variable is the shop's, and the name in it is known in the pod only. */
const PROGRAM = "fetch(process.env.PAYMENTS_URL).then((response) => response.text()).then(console.log)";

export const execStep: DemoStep = {
  name: "exec",
  title: "A program that knows nothing of it runs as if it were in the pod",
  show: async ({ session, agent, narrator, output, signal }) => {
    narrator.command("exec", agent, `-- node -e '${PROGRAM}'`);
    await using owned = new AsyncDisposableStack();
    const proxies = await startProxies(session, output, owned);
    const env = commandEnvironment({ own: process.env, target: await session.env(), keep: [], proxies });
    signal.throwIfAborted();
    // It ends by itself when its proxy does.
    const printed = await runWith(env, process.execPath, "-e", PROGRAM);
    narrator.fact("it prints", printed.trim());
    expect(printed.startsWith('{"service":"payments"'), `an answer of payments, not ${printed}`);
  },
};
