// Which nftables tables there are in the namespace, asked of the kernel directly: that takes no time at the agent's start, where a program would.

import { NetfilterSocket } from "@understudy/native";
import { NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWTABLE, NFPROTO_UNSPEC, NLM_F, message, readMessages } from "./nftMessage.ts";

const NFT_MSG_GETTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 1;
const NFTA_TABLE_NAME = 1;

/** The families that matter here, as nft(8) names them. */
const familyNames: Readonly<Record<number, string>> = { 1: "inet", 2: "ip", 10: "ip6" };

/**
 * Tables of the network namespace of the calling thread, as "family name".
 *
 * @throws SystemCallError without CAP_NET_ADMIN, and where the kernel has no nf_tables.
 */
export async function listTables(): Promise<ReadonlySet<string>> {
  using socket = new NetfilterSocket();
  const parts = await socket.ask(message(NFT_MSG_GETTABLE, NLM_F.request | NLM_F.dump, NFPROTO_UNSPEC, 0));
  const tables = parts.flatMap(readMessages).filter(({ type }) => type === NFT_MSG_NEWTABLE);
  return new Set(tables.map((table) => `${familyNames[table.family] ?? table.family} ${table.text(NFTA_TABLE_NAME) ?? ""}`));
}
