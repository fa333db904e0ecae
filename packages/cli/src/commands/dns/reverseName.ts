// The names under which addresses are looked up in reverse (RFC 1035, section 3.5; RFC 3596, section 2.5).

import { formatIp, parseIp } from "@understudy/protocol";

/** The address; null for a name that stands for no whole address. */
export function addressOfReverseName(name: string): string | null {
  const [, labels = "", zone = ""] = /^(.*)\.(in-addr|ip6)\.arpa\.?$/i.exec(name) ?? [];
  const parts = labels.split(".").reverse();
  if (zone.toLowerCase() === "in-addr") {
    const address = parts.join(".");
    return parts.length === 4 && parseIp(address) !== null ? address : null;
  }
  if (parts.length !== 32 || !parts.every((part) => /^[0-9a-f]$/i.test(part))) return null;
  return formatIp(Buffer.from(parts.join(""), "hex"));
}
