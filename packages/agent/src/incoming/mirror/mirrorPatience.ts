// Lets the peers of raw connections wait for a listening client that is behind, for as long as the admin allows. A client that does not catch up in
// time has used up its patience until it has.

import type { CopyRoom, SessionLink } from "../../link/sessionLink.ts";
import type { ByteSocket } from "../../socket/byteSocket.ts";

export class MirrorPatience implements Disposable {
  readonly #link: SessionLink;
  readonly #patienceMs: number;
  readonly #held = new Set<ByteSocket>();
  #timeout: NodeJS.Timeout | null = null;
  #isUsedUp = false;

  /** `patienceMs`: how long a peer may wait at a time. */
  constructor(link: SessionLink, patienceMs: number) {
    this.#link = link;
    this.#patienceMs = patienceMs;
  }

  /** Something that `socket` received was copied: its peer waits now if the client is behind. */
  afterCopy(socket: ByteSocket): void {
    if (this.#patienceMs === 0 || this.#isUsedUp || hasEnough(this.#link.copyRoom)) return;
    this.#held.add(socket);
    socket.hold();
    if (this.#timeout !== null) return;
    // Where the agent itself came late, the client may have caught up already: its socket is looked at once more.
    this.#timeout = setTimeout(() => setImmediate(() => this.#timedOut()), this.#patienceMs);
    this.#link.whenCopyRoom(() => {
      if (this.#timeout !== null) clearTimeout(this.#timeout);
      this.#timeout = null;
      this.#isUsedUp = false;
      this.#letGo();
    });
  }

  [Symbol.dispose](): void {
    if (this.#timeout !== null) clearTimeout(this.#timeout);
    this.#timeout = null;
    this.#isUsedUp = true;
    this.#letGo();
  }

  #timedOut(): void {
    if (this.#timeout === null) return;
    this.#isUsedUp = true;
    this.#letGo();
  }

  #letGo(): void {
    for (const socket of this.#held) socket.letGo();
    this.#held.clear();
  }
}

function hasEnough(room: CopyRoom): boolean {
  return room === "plenty" || room === "some";
}
