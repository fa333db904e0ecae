// IP addresses as text: what counts as a literal, and the names under which addresses are looked up in reverse.
// Zones ("%eth0") are no part of an address here. Source: RFC 1035 section 3.5, RFC 3596 section 2.5.

import { formatIp, parseIp } from "@understudy/protocol";

/** The canonical text of an IP literal, or null where `text` is none. A literal with a zone is none. */
export function canonicalIp(text: string): string | null {
  const bytes = parseIp(text);
  return bytes === null ? null : formatIp(bytes);
}

/** An IPv4 address in IPv6 (`::ffff:192.0.2.1`) as the IPv4 address; any other as it is. `ip` is an IP literal. */
export function unmappedIp(ip: string): string {
  const bytes = parseIp(ip);
  const isMapped = bytes?.length === 16 && bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
  return isMapped ? formatIp(bytes.subarray(12)) : ip;
}

/** The name that a PTR query asks for, without trailing dot. `ip` is an IP literal. */
export function reverseName(ip: string): string {
  const bytes = parseIp(ip) ?? new Uint8Array(4);
  if (bytes.length === 4) return `${bytes.toReversed().join(".")}.in-addr.arpa`;
  const hex = Buffer.from(bytes).toString("hex");
  return `${[...hex].toReversed().join(".")}.ip6.arpa`;
}
