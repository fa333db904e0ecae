// What every command that talks to an agent does around its own work: find the agent, open a session, end with Ctrl-C, say in one sentence what failed.

import { openSession, LastingSession, type Session } from "@understudy/client";
import { UsageError } from "../usageError.ts";
import { EXIT_INTERRUPTED } from "../exitCodes.ts";
import { failureText } from "../failureText.ts";
import { type Output, printable } from "../output.ts";
import type { AgentChoice, AgentOptions } from "./agentChoice.ts";
import { chooseAgent } from "./chooseAgent.ts";
import { interruptible } from "./interruptible.ts";
import { rememberAgent } from "./lastAgent.ts";
import { inClusterChoice, type ReachedAgent, reachAgent } from "./reachAgent.ts";

const OPEN_MAX_MS = 10_000;
const PING_INTERVAL_MS = 20_000;

/** Work with one session that is over soon, such as `ls`. Resolves with the exit code; 130 when interrupted. */
export async function withSession(
  options: AgentOptions,
  output: Output,
  work: (session: Session, stopped: AbortSignal) => Promise<number>,
): Promise<number> {
  return await interruptible(output, EXIT_INTERRUPTED, async (stopped) => {
    const choice = await chooseAgent(options, output, stopped);
    if (options.dryRun === true) return await printAgent(choice, output, stopped);
    await using agent = await reachAgent(choice, output, stopped);
    await using session = await openRemembered(choice, agent, output, stopped);
    const end = (): void => void session[Symbol.asyncDispose]();
    stopped.addEventListener("abort", end, { once: true });
    return await work(session, stopped);
  });
}

/** Work that lasts until the user ends it, such as `steal`: it is told by `stopped` and takes its leave itself. What is subscribed comes back with a new session when the connection breaks. */
export async function withLastingSession(
  options: AgentOptions,
  output: Output,
  work: (session: LastingSession, stopped: AbortSignal, leaveSignals: () => void) => Promise<number>,
): Promise<number> {
  return await interruptible(output, 0, async (stopped, leaveSignals) => {
    const choice = await chooseAgent(options, output, stopped);
    if (options.dryRun === true) return await printAgent(choice, output, stopped);
    await using agent = await reachAgent(choice, output, stopped);
    // Ctrl-C ends an attempt to connect; a session that is open takes its leave itself.
    const connect = (signal: AbortSignal) => openRemembered(choice, agent, output, AbortSignal.any([signal, stopped]));
    await using session = await LastingSession.open(connect, {
      onLost: ({ message }) => output.note(`${printable(message)}; connecting again`),
      onAttemptFailed: (error) => stopped.aborted || output.note(`${printable(failureText(error))}; trying again`),
      onRestored: () => output.note(`connected again to ${agent.name}`),
    });
    return await work(session, stopped, leaveSignals);
  });
}

/** What would be made in the cluster for this choice, as a YAML document. */
async function printAgent(choice: AgentChoice, output: Output, stopped: AbortSignal): Promise<number> {
  if (choice.kind !== "pod" && choice.kind !== "deployment") throw new UsageError("--dry-run goes with --pod or --deployment");
  const [{ describeInCluster }, { stringify }] = await Promise.all([import("./kubernetes/reachInCluster.ts"), import("yaml")]);
  output.write(stringify(await describeInCluster(inClusterChoice(choice), stopped), { aliasDuplicateObjects: false }));
  return 0;
}

async function openRemembered(choice: AgentChoice, agent: ReachedAgent, output: Output, stopped: AbortSignal): Promise<Session> {
  const session = await openAgentSession(agent, output, stopped);
  await rememberAgent(choice).catch((error: unknown) => output.detail(`the agent is not remembered: ${failureText(error)}`));
  return session;
}

/** `stopped` ends the opening; what ends the session is the caller's. */
export async function openAgentSession(agent: ReachedAgent, output: Output, stopped: AbortSignal): Promise<Session> {
  const opening = new AbortController();
  const late = setTimeout(() => opening.abort(new Error(`no connection within ${OPEN_MAX_MS / 1000} s`)), OPEN_MAX_MS);
  const onStopped = (): void => opening.abort();
  stopped.addEventListener("abort", onStopped, { once: true });
  try {
    stopped.throwIfAborted();
    return await openSession(await agent.connect(opening.signal), {
      signal: opening.signal,
      handshakeTimeoutMs: OPEN_MAX_MS,
      pingIntervalMs: PING_INTERVAL_MS,
      onLog: ({ level, message }) => {
        const text = `the agent says (${level}): ${printable(message)}`;
        if (level === "info") output.detail(text);
        else output.note(text);
      },
    });
  } catch (error) {
    const cause: unknown = opening.signal.aborted ? opening.signal.reason : error;
    throw new Error(`cannot open a session with ${agent.name}: ${failureText(cause)}`, { cause: error });
  } finally {
    clearTimeout(late);
    stopped.removeEventListener("abort", onStopped);
  }
}
