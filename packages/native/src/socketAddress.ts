// Text of the socket addresses that the kernel writes. It neither parses text nor knows families other than IPv4 and IPv6.

/** An address and port; the IP is text without a zone: "10.0.0.1", or IPv6 in the form of RFC 5952. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

const AF_INET = 2;
const AF_INET6 = 10;

/** Reads a `sockaddr_in` or `sockaddr_in6`; null for any other family. */
export function readSockaddr(bytes: Buffer): SocketAddress | null {
  const family = bytes.readUInt16LE(0);
  if (family === AF_INET) {
    return { ip: bytes.subarray(4, 8).join("."), port: bytes.readUInt16BE(2) };
  }
  if (family === AF_INET6) {
    return { ip: formatIpv6(bytes.subarray(8, 24)), port: bytes.readUInt16BE(2) };
  }
  return null;
}

/**
 * The canonical text of 16 address bytes (RFC 5952): lower case, no leading zeros, the first longest run of two or more zero
 * groups as "::". IPv4-mapped addresses keep their dotted end ("::ffff:10.0.0.1", section 5).
 */
export function formatIpv6(address: Uint8Array): string {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${address.subarray(12, 16).join(".")}`;
  }
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}
