// Received bytes on their way into a stream of this machine, without being copied: the receive buffer is lent until they have left. What has not left counts as
// held, so that a receiver that is slow holds the session up at its budget, as a stream that nobody reads does.

import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { lentBytes, ownedBytes } from "./ownedBytes.ts";
import type { ReceiveBudget } from "./receiveBudget.ts";
import { TurnCork } from "./turnCork.ts";

export class Delivery {
  readonly #receiver: Writable;
  readonly #budget: ReceiveBudget;
  readonly #cork: TurnCork;

  constructor(receiver: Writable, budget: ReceiveBudget) {
    this.#receiver = receiver;
    this.#budget = budget;
    this.#cork = new TurnCork(receiver);
  }

  /** Writes bytes that are good for this call only. */
  write(view: Uint8Array): void {
    const { bytes, giveBack } = this.#lent(view);
    this.#budget.add(view.length);
    // A message's last bytes and the next one's first lie in one read.
    this.#cork.hold();
    this.#receiver.write(bytes, () => {
      giveBack();
      this.#budget.release(view.length);
    });
  }

  /** Other streams than sockets may have passed bytes on, and still need them, when they say that they are written. */
  #lent(view: Uint8Array): { readonly bytes: Uint8Array; readonly giveBack: () => void } {
    const { memory } = this.#budget;
    if (this.#receiver instanceof Socket) return lentBytes(view, memory);
    return { bytes: ownedBytes(view, memory), giveBack: () => undefined };
  }
}
