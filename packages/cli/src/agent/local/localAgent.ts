// An agent on this machine that a command starts and ends. It listens on the loopback of this machine and works in the target's namespaces. When the command is
// killed the kernel tells the agent, which takes its leave as ever.

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { failureText } from "../../failureText.ts";
import { type HostPort } from "../../hostPort.ts";
import { type Output, printable } from "../../output.ts";
import type { LocalTargetChoice } from "../agentChoice.ts";
import { findAgentBinary } from "./agentBinary.ts";
import { ChildProgram } from "./childProgram.ts";
import { findTargetProcess } from "./targetProcess.ts";

/** What this group sends is not redirected: neither the target's nor anybody's, unlike the groups that are given to users. */
const AGENT_GROUP = 61_337;
const LOOPBACK = "127.0.0.1";
const READY_MAX_MS = 20_000;
/** Longer than the agent takes at most. */
const LEAVE_MAX_MS = 6_000;
/** It stays as long as its command, with clients or without: the longest times that it takes. */
const FIRST_CLIENT_MAX_S = 65_535;
const IDLE_MAX_S = 2_000_000;

export interface LocalAgentOptions {
  readonly output: Output;
  readonly signal: AbortSignal;
  /** Where it listens; any free port without it. */
  readonly port?: number;
}

/** Disposing it ends the agent and waits for its end; its redirect rules are gone then. */
export class LocalAgent implements AsyncDisposable {
  /** For texts. */
  readonly name: string;
  readonly address: HostPort;
  /** The agent's own. */
  readonly pid: number;
  /** Resolves, never rejects, with why, when the agent has ended. */
  readonly ended: Promise<string>;
  readonly #owned: AsyncDisposableStack;

  private constructor(name: string, address: HostPort, program: ChildProgram, owned: AsyncDisposableStack) {
    this.name = name;
    this.address = address;
    this.pid = program.pid;
    this.ended = program.ended;
    this.#owned = owned;
  }

  /** Resolves when the agent is ready. @throws Error whose text says what to do. */
  static async start(choice: LocalTargetChoice, { output, signal, port }: LocalAgentOptions): Promise<LocalAgent> {
    mustBePossible();
    const binary = await findAgentBinary(choice.binary);
    await using owned = new AsyncDisposableStack();
    const target = owned.use(await findTargetProcess(choice, signal));
    const address = { host: LOOPBACK, port: port ?? (await freePort()) };
    const command = [binary, "-l", String(address.port), "-t", String(FIRST_CLIENT_MAX_S), "process", "--pid", String(target.pid)];
    const program = owned.use(
      await ChildProgram.start(command, {
        env: agentEnvironment(output.isVerbose),
        group: AGENT_GROUP,
        leaveMaxMs: LEAVE_MAX_MS,
        onLine: (line) => output.detail(`agent: ${printable(line)}`),
      }),
    );
    try {
      await program.line((line) => line.startsWith("agent ready"), AbortSignal.any([signal, AbortSignal.timeout(READY_MAX_MS)]));
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`the agent beside ${target.name} did not start: ${failureText(error)}`, { cause: error });
    }
    return new LocalAgent(`the agent beside ${target.name}`, address, program, owned.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

function mustBePossible(): void {
  if (process.platform !== "linux")
    throw new Error(`an agent works in Linux namespaces and this is ${process.platform}: start one elsewhere and give --agent`);
  if (process.getuid?.() !== 0)
    throw new Error("starting an agent on this machine needs root, to enter the target's namespaces: run it with sudo");
}

/** Settings of an agent that the user made go to it, but for what the command depends on. */
function agentEnvironment(isVerbose: boolean): NodeJS.ProcessEnv {
  return {
    ...(isVerbose ? { RUST_LOG: "info" } : {}),
    ...process.env,
    UNDERSTUDY_LISTEN_ADDRESS: LOOPBACK,
    MIRRORD_AGENT_IDLE_TTL: String(IDLE_MAX_S),
  };
}

/** Free a moment ago: whoever takes it meanwhile makes the agent say so. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new Error(`no port of ${LOOPBACK} can be had, is the interface lo up? (${failureText(error)})`, { cause: error });
  }
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
