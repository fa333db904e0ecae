// Stands in for the resolver where no name may be looked up, since the target's network cannot be reached.

import { lookupMessage } from "./lookupError.ts";
import type { Resolver } from "./resolver.ts";

/** Answers every look-up with an error that says why. */
export function createRefusingResolver(reason: string): Pick<Resolver, "lookup" | "reverse"> & Disposable {
  const refuse = (): Promise<never> => Promise.reject(lookupMessage(reason));
  return { lookup: refuse, reverse: refuse, [Symbol.dispose]: () => undefined };
}
