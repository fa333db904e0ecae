// Names as the target knows them.

import { isIP } from "node:net";
import type { AddressFamily, DnsLookup } from "@understudy/protocol";
import type { Session } from "../session.ts";
import type { ConnectOptions } from "./outgoing.ts";
import { abortable, type SessionSource, withCurrentSession } from "./sessionSource.ts";

export interface LookupOptions extends ConnectOptions {
  /** Default `any`: IPv6 addresses only when there are no others. */
  readonly family?: AddressFamily;
}

/** The addresses of a name, each with the name that it was found under. @throws AgentError when there are none. */
export async function lookup(source: SessionSource, name: string, { signal, family = "any" }: LookupOptions = {}): Promise<DnsLookup> {
  return await withCurrentSession(source, signal, (session) => abortable(session.lookup(name, family), signal));
}

/** The name of an address. @throws AgentError when there is none. */
export async function reverseLookup(source: SessionSource, ip: string, { signal }: ConnectOptions = {}): Promise<string> {
  return await withCurrentSession(source, signal, (session) => abortable(session.reverseLookup(ip), signal));
}

/** The addresses to connect to for a host, at least one and each once. An address, in brackets or not, is its own. */
export async function hostAddresses(session: Session, host: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
  const name = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  if (isIP(name) !== 0) return [name];
  const records = await abortable(session.lookup(name), signal);
  if (records.length === 0) throw new Error(`look up ${name}: no addresses`);
  return [...new Set(records.map(({ ip }) => ip))];
}
