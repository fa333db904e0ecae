// What an agent can do, by doing a little of each. Nothing that the target's users could notice happens, but for what is asked for.

import { randomUUID } from "node:crypto";
import { AgentError, type Session } from "@understudy/client";
import { failureText } from "../../failureText.ts";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { type Check, tried } from "./check.ts";

/** Nothing of a target listens there (RFC 1078, which nobody serves). */
const UNUSED_PORT = 1;
const CONNECT_MAX_MS = 10_000;
const ECONNREFUSED = 111;

export interface AgentCheckOptions {
  readonly connect: HostPort | null;
  readonly redirect: number | null;
}

export async function* agentChecks(session: Session, { connect, redirect }: AgentCheckOptions): AsyncGenerator<Check> {
  yield await tried("ping", "the agent is overloaded or gone: look at its pod", async () => `${(await session.ping()).toFixed(1)} ms`);
  yield await tried(
    "environment",
    "the agent needs the capability SYS_PTRACE to read the target's variables",
    async () => `${(await session.env()).size} variables`,
  );
  yield await tried("files", "the agent needs the capability SYS_PTRACE to reach the target's files", async () => {
    const fd = await session.files.open("/etc/passwd");
    await session.files.close(fd);
    return "the target's /etc/passwd can be opened";
  });
  yield await tried("names", "the target's /etc/resolv.conf names servers that do not answer the agent", async () => {
    const addresses = await session.lookup("localhost");
    return `localhost is ${[...new Set(addresses.map(({ ip }) => ip))].join(", ")}`;
  });
  yield await tried("outgoing", "the agent needs the capabilities SYS_ADMIN and SYS_PTRACE to enter the target's network", () =>
    tryLoopback(session),
  );
  if (connect !== null) {
    const address = formatHostPort(connect);
    yield await tried(`connect to ${address}`, "check that the target itself may connect there", () => tryConnect(session, connect));
  }
  if (redirect !== null) {
    const remedy =
      "the agent needs the capability NET_ADMIN, and nft or iptables in its image; another agent on the same target must leave first";
    yield await tried(`redirect port ${redirect}`, remedy, () => tryRedirect(session, redirect));
  }
}

/** A refusal by the target's own network is as good as a connection. */
async function tryLoopback(session: Session): Promise<string> {
  const said = "connections are made in the target's network";
  try {
    const connection = await session.connectTcp({ ip: "127.0.0.1", port: UNUSED_PORT }, { signal: AbortSignal.timeout(CONNECT_MAX_MS) });
    connection.destroy();
    return said;
  } catch (error) {
    if (error instanceof AgentError && error.errno === ECONNREFUSED) return said;
    throw error;
  }
}

async function tryConnect(session: Session, { host, port }: HostPort): Promise<string> {
  const [first] = await session.lookup(host);
  if (first === undefined) throw new Error(`${host} has no address`);
  const connection = await session.connectTcp({ ip: first.ip, port }, { signal: AbortSignal.timeout(CONNECT_MAX_MS) });
  connection.destroy();
  return `connected to ${formatHostPort({ host: first.ip, port })}`;
}

/** Takes no request: the filter wants a header that nobody can know. */
async function tryRedirect(session: Session, port: number): Promise<string> {
  const subscription = await session.steal(port, { filter: { kind: "header", value: `^x-understudy-doctor: ${randomUUID()}$` } });
  await subscription.close();
  return "the port was redirected, and is not any more";
}

export function unreachable(error: unknown): Check {
  return {
    name: "agent",
    state: "no",
    detail: failureText(error),
    remedy: "check the address, that the agent runs, and that nothing between drops connections",
  };
}
