// `understudy exec`: a command of this machine with the target's environment, network and, if asked for, incoming requests.

import type { LastingSession } from "@understudy/client";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withLastingSession } from "../../agent/withAgent.ts";
import type { FilterChoice } from "../../incoming/filterOptions.ts";
import type { PortMapping } from "../../incoming/portMapping.ts";
import { type Output, printable } from "../../output.ts";
import { commandEnvironment } from "./commandEnvironment.ts";
import { runChild } from "./runChild.ts";
import { startProxies } from "./startProxies.ts";
import { stealPorts } from "./stealPorts.ts";

export interface ExecOptions extends AgentOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Whether it gets the target's variables. */
  readonly withEnv: boolean;
  /** Names whose values are this machine's all the same. */
  readonly keep: readonly string[];
  /** Whether it gets proxies. */
  readonly withProxy: boolean;
  readonly steal: readonly PortMapping[];
  readonly filters: FilterChoice;
}

/** Resolves with the exit code: the command's, once it runs. */
export async function exec(options: ExecOptions, output: Output): Promise<number> {
  const { command, args, withEnv, keep, withProxy, steal, filters, ...agent } = options;
  return await withLastingSession(agent, output, async (session, stopped, leaveSignals) => {
    await using owned = new AsyncDisposableStack();
    const target = withEnv ? await (await session.session({ signal: stopped })).env() : null;
    const proxies = withProxy ? await startProxies(session, output, owned) : null;
    owned.use(await stealPorts(session, steal, filters, output));
    // Nothing waits any more before the command runs; then it decides when it ends.
    stopped.throwIfAborted();
    leaveSignals();
    using _notes = noteWhenOver(session, output);
    const env = commandEnvironment({ own: process.env, target, keep, proxies });
    return await runChild({ command, args, env, onFailed: (text) => output.note(printable(text)) });
  });
}

/** Until it is disposed, tells the user when the session is over for good. The command goes on. */
function noteWhenOver(session: LastingSession, output: Output): Disposable {
  let isWanted = true;
  void session.closed.then(({ message }) => {
    if (isWanted) output.note(`${printable(message)}; the command goes on without the target`);
  });
  return { [Symbol.dispose]: () => void (isWanted = false) };
}
