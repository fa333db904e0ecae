// Addresses for the pod that nothing on this machine uses or has a route for.

import { randomBytes, randomInt } from "node:crypto";
import { run } from "./programs.ts";

/** The ends of the cable between this machine and the pod, and an address that exists inside the pod only. */
export interface PodAddresses {
  readonly host: string;
  readonly pod: string;
  /** Not on the cable: this machine has no way to it. */
  readonly inside: string;
  /** Of `host` and `pod`. */
  readonly prefixLength: number;
  readonly host6: string;
  readonly pod6: string;
  readonly prefixLength6: number;
}

/** A range of IPv4 addresses, both ends included, as numbers. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** Private networks (RFC 1918), then the one for measurements between networks (RFC 2544). */
const pools = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"];
const BLOCK_SIZE = 8;
const TRIES_PER_POOL = 64;
/** Shorter prefixes are ways to everywhere, as the default route is, not networks that would be missed. */
const NETWORK_MIN_PREFIX = 8;

/** @throws Error when every network is routed somewhere. */
export async function freeAddresses(): Promise<PodAddresses> {
  const routes = JSON.parse(await run("ip", "-json", "-4", "route", "show", "table", "all")) as readonly { readonly dst: string }[];
  const base = freeBlock(routes.flatMap(({ dst }) => networkRange(dst) ?? []));
  // A unique local prefix (RFC 4193): 40 random bits need no look at others.
  const prefix6 = `fd${randomBytes(5).toString("hex")}`.replaceAll(/(.{4})(?=.)/g, "$1:");
  return {
    host: dotted(base + 1),
    pod: dotted(base + 2),
    inside: dotted(base + 5),
    prefixLength: 30,
    host6: `${prefix6}::1`,
    pod6: `${prefix6}::2`,
    prefixLength6: 64,
  };
}

/** The first address of a block of eight that overlaps nothing taken. `random` gives a whole number below its argument. */
export function freeBlock(taken: readonly Range[], random: (below: number) => number = (below) => randomInt(below)): number {
  for (const pool of pools) {
    const { first, last } = rangeOf(pool);
    for (let attempt = 0; attempt < TRIES_PER_POOL; attempt++) {
      const base = first + BLOCK_SIZE * random((last - first + 1) / BLOCK_SIZE);
      if (taken.every((range) => range.last < base || range.first >= base + BLOCK_SIZE)) return base;
    }
  }
  throw new Error(`this machine has routes for all of ${pools.join(", ")}: no addresses are left for the demo`);
}

/** Where a route leads, as `ip route` writes it; null when that is everywhere. */
export function networkRange(destination: string): Range | null {
  if (destination === "default" || Number(destination.split("/")[1] ?? 32) < NETWORK_MIN_PREFIX) return null;
  return rangeOf(destination);
}

function rangeOf(network: string): Range {
  const [address = "", prefixLength = "32"] = network.split("/");
  // Short forms such as 10/8 leave zeros out.
  const bytes = [...address.split(".").map(Number), 0, 0, 0].slice(0, 4);
  const first = bytes.reduce((value, byte) => value * 256 + byte, 0);
  return { first, last: first + 2 ** (32 - Number(prefixLength)) - 1 };
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}
