// Tries, at the start, whether a port could be redirected by an nftables table with an owner, and leaves no trace: the kernel checks a batch of messages that has no
// end as it would do it, and then drops it. How it is done in earnest is `chosenRules.ts`' matter.

import { NetfilterSocket } from "@understudy/native";
import { mayOwnTable, type RedirectWay } from "./chosenRules.ts";
import { findNft } from "./nftProcess.ts";
import {
  NFNL_MSG_BATCH_BEGIN,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFPROTO_UNSPEC,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWRULE,
  NFT_MSG_NEWTABLE,
  NFT_TABLE_F_OWNER,
  NLA_F_NESTED,
  NLM_F,
  attribute,
  message,
  text,
  u32,
} from "./nftMessage.ts";

const NF_INET_PRE_ROUTING = 0;
const NF_IP_PRI_NAT_DST = -100;
/** No agent has such a table. */
const table = "understudy_trial";
const chain = "trial";

/**
 * Whether a table is possible in the network namespace of the calling thread and of the pool's.
 *
 * @returns false where iptables is to be used, which is tried with the first port.
 * @throws an error of `nft` or of the kernel where the table is all that is allowed, or the rights do not suffice for anything.
 */
export async function canOwnTable(way: RedirectWay, nftables: boolean | null): Promise<boolean> {
  const mayUseIptables = way !== "table";
  if (!mayOwnTable(way, nftables)) return false;
  try {
    await findNft();
    using socket = new NetfilterSocket();
    await socket.request(trial);
    return true;
  } catch (error) {
    const isForbidden = error instanceof Error && "code" in error && error.code === "EPERM";
    if (mayUseIptables && !isForbidden) return false;
    throw error;
  }
}

const create = NLM_F.request | NLM_F.ack | NLM_F.create;

/** A table with an owner, a chain of type nat, and a rule that redirects. */
const trial = Buffer.concat([
  message(NFNL_MSG_BATCH_BEGIN, NLM_F.request, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES),
  message(NFT_MSG_NEWTABLE, create, NFPROTO_INET, 0, attribute(1, text(table)), attribute(2, u32(NFT_TABLE_F_OWNER))),
  message(
    NFT_MSG_NEWCHAIN,
    create,
    NFPROTO_INET,
    0,
    attribute(1, text(table)),
    attribute(3, text(chain)),
    attribute(4 | NLA_F_NESTED, Buffer.concat([attribute(1, u32(NF_INET_PRE_ROUTING)), attribute(2, u32(NF_IP_PRI_NAT_DST >>> 0))])),
    attribute(7, text("nat")),
  ),
  message(
    NFT_MSG_NEWRULE,
    create,
    NFPROTO_INET,
    0,
    attribute(1, text(table)),
    attribute(2, text(chain)),
    attribute(4 | NLA_F_NESTED, attribute(1 | NLA_F_NESTED, attribute(1, text("redir")))),
  ),
]);
