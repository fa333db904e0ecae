// IP addresses and their text. On the wire an address is raw bytes; in values it is its canonical text (RFC 5952), which is what
// sockets take and logs show. Scope ids of link-local addresses do not exist on the wire.

import { type Codec, small } from "./codec.ts";
import { EncodeError, ProtocolError } from "./protocolError.ts";
import { type Reader, WIDEST_U16, WIDEST_U32 } from "./reader.ts";
import { checkRange, type Writer } from "./writer.ts";

/** Address and port of a TCP or UDP socket. `ip` is canonical text without brackets. */
export interface SocketAddr {
  readonly ip: string;
  readonly port: number;
}

const DOT = 0x2e;
const ZERO = 0x30;

export const ipAddr: Codec<string> = small({ kind: "ipAddr" }, 5, writeIp, readIp);

export const socketAddr: Codec<SocketAddr> = small(
  { kind: "socketAddr" },
  6,
  (out, { ip, port }) => {
    checkRange(port, 0, 0xffff, "port");
    writeIp(out, ip);
    out.varint(port);
  },
  (input) => ({ ip: readIp(input), port: input.smallVarint(WIDEST_U16, "port") }),
);

/** `10.0.0.1:80` or `[::1]:80`. */
export function formatSocketAddr({ ip, port }: SocketAddr): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The inverse of `formatSocketAddr`; null when `text` is no such address. */
export function parseSocketAddr(text: string): SocketAddr | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const bytes = match === null ? null : parseIp(match[1] ?? match[2]!);
  const port = Number(match?.[3]);
  const isBracketed = match?.[1] !== undefined;
  if (bytes === null || isBracketed !== (bytes.length === 16) || port > 0xffff) return null;
  return { ip: formatIp(bytes), port };
}

function readIp(input: Reader): string {
  const family = input.smallVarint(WIDEST_U32, "IpAddr");
  if (family > 1) throw new ProtocolError("malformed", `IpAddr: variant ${family} exceeds 1, the last one known`);
  return formatIp(input.view(family === 0 ? 4 : 16));
}

function writeIp(out: Writer, text: string): void {
  const bytes = parseIp(text);
  if (bytes === null) throw new EncodeError(`not an IP address: ${text}`);
  out.varint(bytes.length === 4 ? 0 : 1);
  out.raw(bytes);
}

/** Canonical text of 4 or 16 address bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const groups = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return `::ffff:${formatIp(bytes.subarray(12))}`;
  const { start, length } = longestZeroRun(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** The 4 or 16 bytes of an address text; null when it is none. */
export function parseIp(text: string): Uint8Array | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | null {
  const bytes = new Uint8Array(4);
  let part = 0;
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? DOT : text.charCodeAt(i);
    if (code === DOT) {
      if (value < 0 || part === 4) return null;
      bytes[part++] = value;
      value = -1;
      continue;
    }
    const digit = code - ZERO;
    // No leading zeros: some readers take them for octal.
    if (digit < 0 || digit > 9 || value === 0) return null;
    value = value < 0 ? digit : value * 10 + digit;
    if (value > 255) return null;
  }
  return part === 4 ? bytes : null;
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!);
  const tail = halves.length === 2 ? parseGroups(halves[1]!) : [];
  if (head === null || tail === null) return null;
  // An IPv4 tail ends the address.
  if (halves.length === 2 && halves[0]!.includes(".")) return null;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return null;
  return Uint8Array.from([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

/** Bytes of colon-separated groups, of which the last may be an IPv4 address. */
function parseGroups(text: string): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (i === groups.length - 1 && group.includes(".")) {
      const v4 = parseIpv4(group);
      if (v4 === null) return null;
      bytes.push(...v4);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else {
      return null;
    }
  }
  return bytes.length > 16 ? null : bytes;
}
