// Who comes to the shop, and what they ask for: requests from this machine to the pod, printed and checked.

import type { Style } from "../output.ts";
import { expect } from "./expect.ts";
import { LAPTOP } from "./laptop.ts";
import type { Pod } from "./pod.ts";
import { SHOP_PORT } from "./shopSettings.ts";
import type { Stage } from "./stage.ts";
import { type Answer, visit, type Visit } from "./visit.ts";

/** What the shop calls itself. */
export const SHOP = "the shop";

export const coffee: Visit = { path: "/products/2" };
export const order: Visit = { method: "POST", path: "/cart", body: JSON.stringify({ product: 2, quantity: 3 }) };

/** The header of the developer's own requests. */
export const mine: Readonly<Record<string, string>> = { "x-demo": "me" };
/** The pattern for it. */
export const MINE_FILTER = "^x-demo: me$";

export function shopOf({ addresses }: Pod): { readonly host: string; readonly port: number } {
  return { host: addresses.pod, port: SHOP_PORT };
}

/** One visit, which `from` must answer well. `host`: another address of the shop than its first. */
export async function see(
  { narrator, pod, signal }: Pick<Stage, "narrator" | "pod" | "signal">,
  what: Visit,
  from: string,
  host: string = pod.addresses.pod,
): Promise<Answer> {
  const answer = await visit({ ...shopOf(pod), host }, what, signal);
  const style: Style = answer.answeredBy === LAPTOP ? "yellow" : "green";
  narrator.visit(what, answer, style);
  expect(answer.answeredBy === from && answer.status < 300, `an answer of ${from}, not ${answer.status} of ${answer.answeredBy}`);
  return answer;
}
