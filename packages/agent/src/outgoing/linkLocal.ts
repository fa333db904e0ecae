// Link-local IPv6 addresses, which mean something only together with an interface. The wire carries no interface (a socket address is an IP
// and a port there), so the target's is taken where there is no doubt which: when it has only one with such an address.

import { networkInterfaces } from "node:os";
import { EINVAL } from "@understudy/native";
import { remoteIoError } from "../errors/remoteError.ts";

/**
 * The text by which a socket of this network namespace finds an address: a link-local one with its interface, any other as it is.
 *
 * @throws RemoteError EINVAL where several interfaces could be meant, or none: what connect(2) says to a link-local address alone. libuv
 *   would take the first that it finds, and a peer on another one would be missed, or somebody else's reached.
 */
export function withScope(ip: string): string {
  if (!isLinkLocal(ip)) return ip;
  const candidates = Object.entries(networkInterfaces()).filter(([, addresses]) => addresses?.some(({ address }) => isLinkLocal(address)));
  const [only] = candidates;
  if (only === undefined || candidates.length > 1)
    throw remoteIoError(EINVAL, `connect to a link-local address that ${candidates.length} interfaces could have`);
  return `${ip}%${only[0]}`;
}

/** fe80::/10, in canonical text. */
function isLinkLocal(ip: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(ip);
}
