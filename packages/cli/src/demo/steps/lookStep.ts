// The target's environment, files and names, seen from outside.

import { expect } from "../expect.ts";
import { CONFIG_PATH } from "../shopSettings.ts";
import type { DemoStep } from "./step.ts";

const VARIABLES = ["SHOP_*", "DATABASE_URL"];

export const lookStep: DemoStep = {
  name: "look",
  title: "Your process sees the environment, the files and the names of the shop",
  show: async ({ pod, session, agent, narrator }) => {
    narrator.command(`env ${VARIABLES.map((name) => `'${name}'`).join(" ")}`, agent);
    const environment = await session.env({ select: VARIABLES });
    expect(environment.size === 2, `two environment variables, not ${environment.size}`);
    for (const [name, value] of environment) narrator.fact("environment", `${name}=${value}`);
    narrator.command(`cat ${CONFIG_PATH}`, agent);
    const contents = await session.files.readFile(CONFIG_PATH, "utf8");
    expect(contents.startsWith("{"), `the shop's configuration, not ${contents}`);
    narrator.fact("file", contents.trim());
    narrator.command("dns payments", agent);
    const [found] = await session.lookup("payments");
    expect(found?.ip === pod.addresses.inside, `the address of payments, not ${found?.ip ?? "none"}`);
    narrator.fact("name", `payments is ${found.ip}, says the pod's /etc/hosts`);
  },
};
