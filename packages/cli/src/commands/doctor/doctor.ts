// `understudy doctor`: tries what this machine and an agent can do, and says it line by line.

import type { AgentChoice, AgentOptions } from "../../agent/agentChoice.ts";
import { namedAgent } from "../../agent/chooseAgent.ts";
import { interruptible } from "../../agent/interruptible.ts";
import { reachAgent } from "../../agent/reachAgent.ts";
import { openAgentSession } from "../../agent/withAgent.ts";
import { EXIT_FAILED, EXIT_INTERRUPTED } from "../../exitCodes.ts";
import type { HostPort } from "../../hostPort.ts";
import { type Output, printable, type Style } from "../../output.ts";
import { UsageError } from "../../usageError.ts";
import { agentChecks, unreachable } from "./agentChecks.ts";
import type { Check } from "./check.ts";
import { machineChecks } from "./machineChecks.ts";

export interface DoctorOptions extends AgentOptions {
  readonly connect?: HostPort;
  readonly redirect?: number;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function doctor(options: DoctorOptions, output: Output): Promise<number> {
  return await interruptible(output, EXIT_INTERRUPTED, async (stopped) => {
    const choice = await namedAgent(options);
    if (choice === null && (options.connect ?? options.redirect) !== undefined) {
      throw new UsageError("--connect and --redirect need an agent: give --agent HOST:PORT or another of its options");
    }
    let failed = 0;
    const isLocal = choice !== null && "binary" in choice;
    const report = async (check: Check): Promise<void> => {
      if (check.state === "no") failed += 1;
      await output.line(options.json ? JSON.stringify(check) : checkLine(check, output));
    };
    for (const check of await machineChecks(isLocal, isLocal ? choice.binary : (options.agentBinary ?? null))) await report(check);
    if (choice === null) output.note("no agent is named, so none was tried");
    else for await (const check of checksOf(choice, options, output, stopped)) await report(check);
    return failed === 0 ? 0 : EXIT_FAILED;
  });
}

async function* checksOf(choice: AgentChoice, options: DoctorOptions, output: Output, stopped: AbortSignal): AsyncGenerator<Check> {
  await using owned = new AsyncDisposableStack();
  try {
    const agent = owned.use(await reachAgent(choice, output, stopped));
    const session = owned.use(await openAgentSession(agent, output, stopped));
    stopped.addEventListener("abort", () => void session[Symbol.asyncDispose](), { once: true });
    yield { name: "agent", state: "ok", detail: `${agent.name} speaks protocol ${session.version}`, remedy: null };
    yield* agentChecks(session, { connect: options.connect ?? null, redirect: options.redirect ?? null });
  } catch (error) {
    if (stopped.aborted) throw error;
    yield unreachable(error);
  }
}

const styles: Readonly<Record<Check["state"], Style>> = { ok: "green", no: "red", off: "dim" };

function checkLine({ name, state, detail, remedy }: Check, output: Output): string {
  const why = remedy === null ? "" : `; ${remedy}`;
  return `${output.style(styles[state], state.padEnd(3))}  ${output.style("bold", name.padEnd(16))}  ${printable(detail)}${why}`;
}
