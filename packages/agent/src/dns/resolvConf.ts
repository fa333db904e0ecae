// The target's resolv.conf: which servers to ask, and how. Follows resolv.conf(5) of glibc; it does not read files.

import { isIP } from "node:net";

/** A parsed resolv.conf, with glibc's defaults where a line is missing. */
export interface ResolvConf {
  /** Addresses of servers in file order; IPv6 ones may carry a zone. Empty where the file names none that is usable. */
  readonly servers: readonly string[];
  /** Domains tried behind a name, in order, without dots at either end. */
  readonly search: readonly string[];
  /** A name with at least this many dots is first tried as it is. */
  readonly ndots: number;
  /** Wait for one answer of one server. */
  readonly timeoutMs: number;
  /** Tries after the first, over all servers. */
  readonly attempts: number;
  /** Start with another server each time. */
  readonly rotate: boolean;
  /** TCP only. */
  readonly useTcp: boolean;
  /** Offer larger UDP answers (EDNS). */
  readonly edns: boolean;
}

const serversMax = 8;
const searchMax = 32;
// Upper limits as in glibc's resolv.h.
const ndotsMax = 15;
const timeoutSecondsMax = 30;
const attemptsMax = 5;

/** Parses a resolv.conf. Lines and options that are unknown or malformed are ignored, as libc does. */
export function parseResolvConf(bytes: Uint8Array): ResolvConf {
  const servers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];

  for (const line of new TextDecoder().decode(bytes).split("\n")) {
    if (line.startsWith("#") || line.startsWith(";")) continue;
    const [keyword, ...values] = line.split(/\s+/).filter((field) => field !== "");
    if (keyword === "nameserver" && isIP(values[0] ?? "") !== 0) servers.push(values[0] ?? "");
    // The last of all `search` and `domain` lines counts.
    if (keyword === "search") search = values;
    if (keyword === "domain") search = values.slice(0, 1);
    if (keyword === "options") options.push(...values);
  }

  const numberOf = (option: string, fallback: number, least: number, most: number): number => {
    const text = options.findLast((each) => each.startsWith(`${option}:`))?.slice(option.length + 1);
    if (text === undefined || !/^\d{1,9}$/.test(text)) return fallback;
    return Math.min(Math.max(Number(text), least), most);
  };
  return {
    servers: servers.slice(0, serversMax),
    search: search
      .map((domain) => domain.replaceAll(/^\.+|\.+$/g, ""))
      .filter((domain) => domain !== "" && domain !== "--")
      .slice(0, searchMax),
    ndots: numberOf("ndots", 1, 0, ndotsMax),
    timeoutMs: numberOf("timeout", 5, 1, timeoutSecondsMax) * 1000,
    attempts: numberOf("attempts", 2, 0, attemptsMax),
    rotate: options.includes("rotate"),
    useTcp: options.includes("use-vc"),
    edns: options.includes("edns0"),
  };
}
