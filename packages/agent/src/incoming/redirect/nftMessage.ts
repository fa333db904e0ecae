// Messages to the kernel's packet filter (nftables and connection tracking), for the little that is asked of it without a program. Source: linux/netlink.h,
// linux/netfilter/nf_tables.h. Numbers in attributes are big endian, those of headers are the machine's, which is little endian.

/** Flags of a message. */
export const NLM_F = { request: 0x001, ack: 0x004, dump: 0x300, exclusive: 0x200, create: 0x400 } as const;
export const NLA_F_NESTED = 0x8000;
export const NFNL_SUBSYS_NFTABLES = 10;
/** Messages between these two are done as a whole or not at all. */
export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;
/** Type of the message that makes a table, and of those that list tables. */
export const NFT_MSG_NEWTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 0;
export const NFT_MSG_NEWCHAIN = (NFNL_SUBSYS_NFTABLES << 8) | 3;
export const NFT_MSG_NEWRULE = (NFNL_SUBSYS_NFTABLES << 8) | 6;
/** A table with this flag goes with the socket that made it. */
export const NFT_TABLE_F_OWNER = 2;
export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;

const headerSize = 16;
const genericSize = 4;
const attributeSize = 4;

/** One message with its attributes. `resource` is only used at the ends of a batch. */
export function message(type: number, flags: number, family: number, resource: number, ...attributes: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(20);
  const bytes = Buffer.concat([header, ...attributes]);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt8(family, 16);
  bytes.writeUInt16BE(resource, 18);
  return bytes;
}

/** One attribute, padded. */
export function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + ((value.length + 3) & ~3));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** Value of an attribute that is a number. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Value of an attribute that is a name. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** A message that was received. */
export interface ReceivedMessage {
  readonly type: number;
  readonly family: number;
  /** Value of an attribute, for nested ones by the types on the way to it. A view; null where there is none. */
  value(...attributeTypes: readonly number[]): Buffer | null;
  /** Texts of attributes by their type; for those that are texts. */
  text(attributeType: number): string | null;
}

/** Reads the messages of one datagram. What is cut short is left out. */
export function readMessages(bytes: Buffer): ReceivedMessage[] {
  const messages: ReceivedMessage[] = [];
  let offset = 0;
  while (offset + headerSize + genericSize <= bytes.length) {
    const length = bytes.readUInt32LE(offset);
    if (length < headerSize || offset + length > bytes.length) break;
    const body = bytes.subarray(offset + headerSize + genericSize, offset + length);
    messages.push({
      type: bytes.readUInt16LE(offset + 4),
      family: bytes.readUInt8(offset + headerSize),
      value: (...types) => types.reduce<Buffer | null>((inside, type) => (inside === null ? null : findValue(inside, type)), body),
      text: (type) => findValue(body, type)?.toString("utf8").replace(/\0$/, "") ?? null,
    });
    offset += (length + 3) & ~3;
  }
  return messages;
}

function findValue(attributes: Buffer, type: number): Buffer | null {
  let offset = 0;
  while (offset + attributeSize <= attributes.length) {
    const length = attributes.readUInt16LE(offset);
    if (length < attributeSize || offset + length > attributes.length) break;
    if ((attributes.readUInt16LE(offset + 2) & ~NLA_F_NESTED) === type) return attributes.subarray(offset + attributeSize, offset + length);
    offset += (length + 3) & ~3;
  }
  return null;
}
