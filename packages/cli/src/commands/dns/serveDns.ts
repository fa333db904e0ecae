// `understudy dns serve`: a name server until the user ends it.

import { outgoing, type LastingSession } from "@understudy/client";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withLastingSession } from "../../agent/withAgent.ts";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { type Output, printable } from "../../output.ts";
import { untilStopped } from "../../proxy/untilStopped.ts";
import type { Answered, Names } from "./answerQuery.ts";
import { startDnsServer } from "./dnsServer.ts";

/** How long a look-up may take, waiting for a new session included. Who asked has mostly given up before. */
const LOOKUP_MAX_MS = 10_000;

export interface ServeDnsOptions extends AgentOptions {
  readonly at: HostPort;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function serveDns({ at, json, ...agent }: ServeDnsOptions, output: Output): Promise<number> {
  return await withLastingSession(agent, output, async (session, stopped) => {
    const onAnswered = (answered: Answered, from: HostPort, durationMs: number): void => {
      // A terminal that is slower than the queries is no reason to hold them up.
      output.offer(json ? queryJson(answered, from, durationMs) : queryLine(answered, from, durationMs));
    };
    await using server = await startDnsServer(at, { names: namesOf(session, stopped), onAnswered });
    const text = `name server at ${formatHostPort(server.address)}, UDP and TCP; Ctrl-C ends it`;
    if (json) output.note(text);
    else await output.line(output.style("bold", text));
    await untilStopped(session, stopped);
    return 0;
  });
}

function namesOf(session: LastingSession, stopped: AbortSignal): Names {
  const limit = (): AbortSignal => AbortSignal.any([stopped, AbortSignal.timeout(LOOKUP_MAX_MS)]);
  return {
    addresses: async (name, family) => (await outgoing.lookup(session, name, { family, signal: limit() })).map(({ ip }) => ip),
    nameOf: (ip) => outgoing.reverseLookup(session, ip, { signal: limit() }),
  };
}

function queryJson({ name, type, code, data }: Answered, from: HostPort, durationMs: number): string {
  return JSON.stringify({ kind: "query", from: formatHostPort(from), name, type, code, data, ms: rounded(durationMs) });
}

function queryLine({ name, type, code, data }: Answered, from: HostPort, durationMs: number): string {
  const what = `${printable(type ?? "?").padEnd(4)} ${printable(name ?? "?")}`;
  const answer = data.length > 0 ? data.map(printable).join(" ") : code === "NOERROR" ? "no such record" : code;
  return `${what}  ${answer}  ${rounded(durationMs)} ms  from ${formatHostPort(from)}`;
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
