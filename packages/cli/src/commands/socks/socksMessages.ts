// The messages of SOCKS version 5 (RFC 1928) and of its user names and passwords (RFC 1929), as bytes. Strict: what is not as they say is an error.

import { isIPv4 } from "node:net";
import { formatIp, parseIp } from "@understudy/protocol";
import type { HostPort } from "../../hostPort.ts";

export const SOCKS_VERSION = 5;
export const method = { noAuthentication: 0x00, userAndPassword: 0x02, noneAcceptable: 0xff } as const;
export const command = { connect: 1, bind: 2, udpAssociate: 3 } as const;

/** RFC 1928, section 6. */
export const reply = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;
export type Reply = (typeof reply)[keyof typeof reply];

const addressType = { ipv4: 1, domain: 3, ipv6: 4 } as const;

/** The peer does not speak as RFC 1928 says, or asks for what there is not. */
export class SocksError extends Error {
  override readonly name = "SocksError";
  /** What to answer; null where there is no form for an answer. */
  readonly reply: Reply | null;

  constructor(message: string, reply: Reply | null = null) {
    super(message);
    this.reply = reply;
  }
}

/** Takes exactly so many bytes, which may have to come first. Rejects when they do not. */
export type Take = (length: number) => Promise<Buffer>;

/** An address with its type before it and the port behind it. @throws SocksError */
export async function readAddress(take: Take): Promise<HostPort> {
  const [type = 0] = await take(1);
  let length = addressLength[type];
  if (type === addressType.domain) [length] = await take(1);
  const host = hostOf(type, length === undefined ? Buffer.alloc(0) : await take(length));
  if (typeof host !== "string") throw host;
  const port = (await take(2)).readUInt16BE();
  return { host, port };
}

const addressLength: Readonly<Record<number, number>> = { [addressType.ipv4]: 4, [addressType.ipv6]: 16 };

function hostOf(type: number, bytes: Buffer): string | SocksError {
  if (type !== addressType.domain) {
    const isComplete = bytes.length > 0 && bytes.length === addressLength[type];
    return isComplete ? formatIp(bytes) : new SocksError(`address type ${type}, which there is not`, reply.addressTypeNotSupported);
  }
  const name = bytes.toString("latin1");
  return /^[\x21-\x7e]{1,255}$/.test(name) ? name : new SocksError("a host name that none can be", reply.generalFailure);
}

/** `host` is an IP address. */
export function writeAddress({ host, port }: HostPort): Buffer {
  const bytes = parseIp(host) ?? Buffer.alloc(4);
  const type = bytes.length === 4 ? addressType.ipv4 : addressType.ipv6;
  return Buffer.concat([Buffer.of(type), bytes, Buffer.of(port >> 8, port & 0xff)]);
}

/** Nowhere in particular, for answers that have no address. */
export const anyAddress: HostPort = { host: "0.0.0.0", port: 0 };

export function replyMessage(code: Reply, bound: HostPort = anyAddress): Buffer {
  return Buffer.concat([Buffer.of(SOCKS_VERSION, code, 0), writeAddress(bound)]);
}

/** A datagram with the header of RFC 1928, section 7. */
export interface SocksDatagram {
  readonly to: HostPort;
  readonly data: Buffer;
}

/** Null for what is malformed, and for fragments, which may be dropped. */
export function readDatagram(bytes: Buffer): SocksDatagram | null {
  if (bytes.length < 5 || bytes.readUInt16BE() !== 0 || bytes[2] !== 0) return null;
  const [type = 0, first = 0] = bytes.subarray(3);
  const begin = type === addressType.domain ? 5 : 4;
  const end = begin + (type === addressType.domain ? first : (addressLength[type] ?? 0));
  const host = hostOf(type, bytes.subarray(begin, end));
  if (typeof host !== "string" || bytes.length < end + 2) return null;
  const port = bytes.readUInt16BE(end);
  return port === 0 ? null : { to: { host, port }, data: bytes.subarray(end + 2) };
}

export function writeDatagram(from: HostPort, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(0, 0, 0), writeAddress(from), data]);
}

/** As the kernel names an IPv4 peer of a socket for both families: without `::ffff:`. */
export function plainIp(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  return mapped !== undefined && isIPv4(mapped) ? mapped : address;
}
