// Makes the kernel forget established TCP connections to some ports, as `conntrack -D` does for one port: it reads the whole table for each, this once for all. Source:
// linux/netfilter/nfnetlink_conntrack.h.

import { setImmediate as turn } from "node:timers/promises";
import { NetfilterSocket, SystemCallError } from "@understudy/native";
import { NFPROTO_UNSPEC, NLA_F_NESTED, NLM_F, type ReceivedMessage, attribute, message, readMessages } from "./nftMessage.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const CT_NEW = (NFNL_SUBSYS_CTNETLINK << 8) | 0;
const CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
const CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;

/** Attributes of an entry, and of what they contain. */
const CTA = { original: 1, reply: 2, protocolInfo: 4, id: 12, zone: 18 } as const;
const CTA_TUPLE_PROTO = 2;
const PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const PROTOCOL_INFO_TCP = 1;
const TCP_STATE = 1;

const IPPROTO_TCP = 6;
const ESTABLISHED = 3;
const ENOENT = 2;
/** Entries that are deleted with one call. */
const DELETED_AT_ONCE = 256;

/**
 * Deletes entries of the connection tracking of the network namespace of the calling thread. Those of connections that are redirected already are left alone.
 *
 * @throws SystemCallError without the right, and where the kernel does not track connections.
 */
export async function forgetConnections(ports: ReadonlySet<number>): Promise<void> {
  using socket = new NetfilterSocket();
  const doomed: Buffer[] = [];
  for await (const part of socket.parts(message(CT_GET, NLM_F.request | NLM_F.dump, NFPROTO_UNSPEC, 0))) {
    for (const entry of readMessages(part)) if (entry.type === CT_NEW && isToOneOf(ports, entry)) doomed.push(deletion(entry));
    await turn();
  }
  for (let start = 0; start < doomed.length; start += DELETED_AT_ONCE) {
    using deleting = new NetfilterSocket();
    try {
      await deleting.request(Buffer.concat(doomed.slice(start, start + DELETED_AT_ONCE)));
    } catch (error) {
      // One that has ended meanwhile is told of as missing; the others are deleted all the same.
      if (!(error instanceof SystemCallError && error.errno === ENOENT)) throw error;
    }
  }
}

function isToOneOf(ports: ReadonlySet<number>, entry: ReceivedMessage): boolean {
  if (entry.value(CTA.original, CTA_TUPLE_PROTO, PROTO.number)?.readUInt8() !== IPPROTO_TCP) return false;
  const port = entry.value(CTA.original, CTA_TUPLE_PROTO, PROTO.destinationPort)?.readUInt16BE();
  if (port === undefined || !ports.has(port)) return false;
  // Connections that are redirected already have another port in the reply direction.
  if (entry.value(CTA.reply, CTA_TUPLE_PROTO, PROTO.sourcePort)?.readUInt16BE() !== port) return false;
  return entry.value(CTA.protocolInfo, PROTOCOL_INFO_TCP, TCP_STATE)?.readUInt8() === ESTABLISHED;
}

/** Names the entry by its addresses and ports, and by its number: a later connection may have the same addresses. */
function deletion(entry: ReceivedMessage): Buffer {
  const named = (type: number, flag = 0): Buffer[] => {
    const value = entry.value(type);
    return value === null ? [] : [attribute(type | flag, value)];
  };
  return message(CT_DELETE, NLM_F.request, entry.family, 0, ...named(CTA.original, NLA_F_NESTED), ...named(CTA.id), ...named(CTA.zone));
}
