// Tries, at the start, whether a port could be redirected by an nftables table with an owner, and leaves no trace: the kernel checks a batch of messages that has no
// end as it would do it, and then drops it. How it is done in earnest is `chosenRules.ts`' matter.

import { NetfilterSocket } from "@understudy/native";
import { mayOwnTable, type RedirectWay } from "./chosenRules.ts";
import { findNft } from "./nftProcess.ts";
import { attribute, text } from "./nftMessage.ts";
import { ownedNatChain } from "./ownedNatChain.ts";

const NF_INET_PRE_ROUTING = 0;
const NF_IP_PRI_NAT_DST = -100;
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

/** A rule that redirects, in a table that no agent has. */
const trial = ownedNatChain({
  table: "understudy_trial",
  chain: "trial",
  hook: NF_INET_PRE_ROUTING,
  priority: NF_IP_PRI_NAT_DST,
  expression: attribute(1, text("redir")),
});
