// `understudy status`: what an agent says about itself when it is asked.

import { targetIdentity } from "./targetIdentity.ts";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withSession } from "../../agent/withAgent.ts";
import { type Output, printable } from "../../output.ts";

/** Resolves with the exit code. */
export async function status(options: AgentOptions & { readonly json: boolean }, output: Output): Promise<number> {
  return await withSession(options, output, async (session) => {
    const pingMs = Math.round((await session.ping()) * 100) / 100;
    const { hostName, variables } = await targetIdentity(session);
    if (options.json) {
      await output.line(JSON.stringify({ protocol: session.version, pingMs, hostName, variables }));
      return 0;
    }
    const rows: readonly (readonly [string, string])[] = [
      ["protocol", session.version],
      ["ping", `${pingMs} ms`],
      ["host name", hostName === null ? "not readable" : printable(hostName)],
      ["variables", variables === null ? "not readable" : String(variables)],
    ];
    for (const [name, value] of rows) await output.line(`${output.style("dim", name.padEnd(10))}  ${value}`);
    return 0;
  });
}
