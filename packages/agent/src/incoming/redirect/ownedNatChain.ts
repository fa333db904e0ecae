// The messages that make a table of this process's own with one chain of type nat and one rule. What the rule is for is its callers' matter.

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

export interface NatChain {
  readonly table: string;
  readonly chain: string;
  /** `NF_INET_…` of linux/netfilter.h. */
  readonly hook: number;
  readonly priority: number;
  /** The rule's only expression: its name, and what it is told. */
  readonly expression: Buffer;
}

/** The beginning of a batch. The kernel drops it after its checks, unless NFNL_MSG_BATCH_END follows. */
export function ownedNatChain({ table, chain, hook, priority, expression }: NatChain): Buffer {
  const addRule = NLM_F.request | NLM_F.ack | NLM_F.create;
  const create = addRule | NLM_F.exclusive;
  const where = Buffer.concat([attribute(1, u32(hook)), attribute(2, u32(priority >>> 0))]);
  return Buffer.concat([
    message(NFNL_MSG_BATCH_BEGIN, NLM_F.request, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES),
    message(NFT_MSG_NEWTABLE, create, NFPROTO_INET, 0, attribute(1, text(table)), attribute(2, u32(NFT_TABLE_F_OWNER))),
    message(
      NFT_MSG_NEWCHAIN,
      create,
      NFPROTO_INET,
      0,
      attribute(1, text(table)),
      attribute(3, text(chain)),
      attribute(4 | NLA_F_NESTED, where),
      attribute(7, text("nat")),
    ),
    message(
      NFT_MSG_NEWRULE,
      addRule,
      NFPROTO_INET,
      0,
      attribute(1, text(table)),
      attribute(2, text(chain)),
      attribute(4 | NLA_F_NESTED, attribute(1 | NLA_F_NESTED, expression)),
    ),
  ]);
}
