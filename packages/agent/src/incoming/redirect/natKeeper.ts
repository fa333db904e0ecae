// Keeps the kernel translating addresses while there are no redirect rules for a moment. The translation of a connection in progress works only
// while some chain of type nat is registered in the namespace, and some rule needs the kernel to track connections. So one chain is, with a rule
// that looks at a connection's state and does nothing with it, in a table that belongs to the agent itself and not to the `nft` child, whose
// end takes the redirect rules with it.

import { NetfilterSocket } from "@understudy/native";
import {
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_UNSPEC,
  NLA_F_NESTED,
  NLM_F,
  attribute,
  message,
  text,
  u32,
} from "./nftMessage.ts";
import { ownedNatChain } from "./ownedNatChain.ts";

const NFT_REG_1 = 1;
const NFT_CT_STATE = 0;
const NF_INET_LOCAL_OUT = 3;
/** After everything else, though it matters not. */
const priority = 300;

/**
 * Registers the chain in the network namespace of the pool's threads; it goes when the result is disposed of, or with the process.
 *
 * @throws SystemCallError where the kernel or the rights do not allow it.
 */
export async function keepNat(table: string): Promise<Disposable> {
  using stack = new DisposableStack();
  const socket = stack.use(new NetfilterSocket());
  const loadState = Buffer.concat([
    attribute(1, text("ct")),
    attribute(2 | NLA_F_NESTED, Buffer.concat([attribute(1, u32(NFT_REG_1)), attribute(2, u32(NFT_CT_STATE))])),
  ]);
  await socket.request(
    Buffer.concat([
      ownedNatChain({ table, chain: "keep", hook: NF_INET_LOCAL_OUT, priority, expression: loadState }),
      message(NFNL_MSG_BATCH_END, NLM_F.request, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES),
    ]),
  );
  const kept = stack.move();
  return { [Symbol.dispose]: () => kept.dispose() };
}
