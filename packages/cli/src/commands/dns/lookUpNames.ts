// `understudy dns NAME…`: looks up names once and prints what was found.

import { isIP } from "node:net";
import type { Session } from "@understudy/client";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withSession } from "../../agent/withAgent.ts";
import { failureText } from "../../failureText.ts";
import { type Output, printable } from "../../output.ts";

export type LookupType = "a" | "aaaa" | "ptr";

export interface DnsCommandOptions extends AgentOptions {
  readonly names: readonly string[];
  /** Null: what fits the name. */
  readonly type: LookupType | null;
  readonly json: boolean;
}

type Found =
  | { readonly kind: "addresses"; readonly records: readonly { readonly name: string; readonly ip: string }[] }
  | { readonly kind: "name"; readonly hostName: string }
  | { readonly kind: "failed"; readonly error: string };

const families = { a: "ipv4Only", aaaa: "ipv6Only" } as const;

/** Resolves with the exit code. */
export async function lookUpNames({ names, type, json, ...agent }: DnsCommandOptions, output: Output): Promise<number> {
  return await withSession(agent, output, async (session, stopped) => {
    const all = await Promise.all(names.map(async (name) => ({ name, found: await lookUp(session, name, type) })));
    stopped.throwIfAborted();
    for (const { name, found } of all) {
      if (json) await output.line(JSON.stringify(jsonOf(name, found)));
      else await print(name, found, output);
    }
    return all.some(({ found }) => found.kind === "failed") ? 1 : 0;
  });
}

/** Never rejects. */
async function lookUp(session: Session, name: string, type: LookupType | null): Promise<Found> {
  try {
    if (type === "ptr" || (type === null && isIP(name) !== 0)) {
      if (isIP(name) === 0) throw new Error(`${name} is no IP address, and only these have names to look up`);
      return { kind: "name", hostName: await session.reverseLookup(name) };
    }
    return { kind: "addresses", records: await session.lookup(name, type === null ? "both" : families[type]) };
  } catch (error) {
    return { kind: "failed", error: failureText(error) };
  }
}

async function print(name: string, found: Found, output: Output): Promise<void> {
  switch (found.kind) {
    case "addresses":
      for (const record of found.records) {
        const foundAs = record.name.replace(/\.$/, "");
        const as =
          foundAs.toLowerCase() === name.toLowerCase().replace(/\.$/, "") ? "" : `  ${output.style("dim", `(${printable(foundAs)})`)}`;
        await output.line(`${printable(name)}  ${record.ip}${as}`);
      }
      return;
    case "name":
      return await output.line(`${name}  ${printable(found.hostName)}`);
    case "failed":
      return output.note(printable(found.error));
  }
}

function jsonOf(name: string, found: Found): object {
  switch (found.kind) {
    case "addresses":
      return { name, addresses: found.records.map(({ ip }) => ip), records: found.records, error: null };
    case "name":
      return { name, hostName: found.hostName, error: null };
    case "failed":
      return { name, error: found.error };
  }
}
