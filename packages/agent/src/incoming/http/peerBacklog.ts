// What waits in a peer's socket of answers that clients wrote, on whose account it waits, and for how long: a peer that takes nothing of them at all is cut off, since
// without it nobody could ever be told that its answer was in vain. Answers of the target are not counted: they hold up nobody but the target's own connection.

import type { ByteSocket } from "../../socket/byteSocket.ts";
import { StuckWatch } from "../../task/stuckWatch.ts";

/** Says how much waits, on one client's account. */
export type SetWaiting = (bytes: number) => void;

export class PeerBacklog implements Disposable {
  readonly #peer: ByteSocket;
  readonly #stuckTimeoutMs: number;
  /** One for each answer of which something may wait still. */
  #accounts: SetWaiting[] = [];
  #watch: StuckWatch | null = null;

  constructor(peer: ByteSocket, stuckTimeoutMs: number) {
    this.#peer = peer;
    this.#stuckTimeoutMs = stuckTimeoutMs;
  }

  /** Another answer begins. What waits already stays on the accounts where it is. */
  begin(account: SetWaiting): void {
    if (this.#peer.backlog === 0) this.clear();
    this.#accounts.push(account);
  }

  /** The last write was not taken at once. */
  update(): void {
    this.#accounts.at(-1)?.(this.#peer.backlog);
    this.#watch ??= new StuckWatch({
      timeoutMs: this.#stuckTimeoutMs,
      progress: () => this.#peer.unsentBytes,
      onStuck: () => this.#peer.abort(new Error(`the peer took nothing for ${this.#stuckTimeoutMs} ms`)),
    });
    this.#watch.isWaiting = true;
  }

  /** Nothing waits any more, or not on these accounts. */
  clear(): void {
    const accounts = this.#accounts;
    if (accounts.length > 0) {
      // Setting the length of an array takes longer than making a new one.
      this.#accounts = [];
      for (const account of accounts) account(0);
    }
    if (this.#watch !== null) this.#watch.isWaiting = false;
  }

  /** No answer is under way any more; somebody else sees to what may wait still. */
  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = null;
  }
}
