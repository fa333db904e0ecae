// The child that holds the redirect rules is killed while the target is busy. Until the rules are back new connections go straight to the target; those in progress must not notice.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4, podIpv6, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { SteadyPeers } from "../pod/steadyPeers.ts";
import { answerAs, wantedBy } from "../pod/stealing.ts";
import { RawPeer } from "../peers/rawPeer.ts";

const { echo, http, otherHttp } = targetPorts;

const KILLS = 3;
/** Of each kind and family. */
const CONNECTIONS = 15;

/** Between two lines of a connection. */
const REST_MS = 10;

/** A connection on which one line after the other goes out and comes back, until it is stopped. */
class Conversation {
  readonly #peer: RawPeer;
  readonly #ended: Promise<void>;
  #sent = "";
  #isOver = false;

  private constructor(peer: RawPeer) {
    this.#peer = peer;
    this.#ended = this.#talk();
    // It is told by `stop`.
    this.#ended.catch(() => undefined);
  }

  static async begin(port: number, host: string): Promise<Conversation> {
    const peer = await RawPeer.connect(port, host);
    await peer.write("\0");
    await peer.until((text) => text === "\0");
    return new Conversation(peer);
  }

  /** Ends it in order; rejects where anything was lost on the way. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#ended;
    this.#peer.end();
    assert.equal(await this.#peer.ended(), `\0${this.#sent}`);
    assert.ok(!this.#peer.hasBroken && this.#sent !== "");
    this.#peer[Symbol.dispose]();
  }

  async #talk(): Promise<void> {
    for (let line = 0; !this.#isOver; line++) {
      this.#sent += `${line}\n`;
      await this.#peer.write(`${line}\n`);
      await this.#peer.until((text) => text.length === 1 + this.#sent.length);
      await sleep(REST_MS);
    }
  }
}

suite("when the rules are lost and loaded again", { skip: podSkipReason() }, () => {
  test("connections in progress lose nothing, passed and stolen, and each new one is answered", { timeout: 60_000 }, async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(echo, { filter: wantedBy("nobody") });
    await session.steal(otherHttp, { onConnection: ({ stream }) => void stream.pipe(stream) });
    await session.steal(http, { onRequest: answerAs("client") });
    const begin = [echo, otherHttp].flatMap((port) =>
      [podIpv4, podIpv6].flatMap((host) => Array.from({ length: CONNECTIONS }, () => Conversation.begin(port, host))),
    );
    const conversations = await Promise.all(begin);
    await using peers = new SteadyPeers(pod);
    for (let kills = 0; kills < KILLS; kills++) {
      await peers.more(30);
      const before = await agent.nftPid();
      process.kill(before, "SIGKILL");
      // There is none for a moment.
      while ((await agent.nftPid().catch(() => before)) === before) await peers.more(1);
    }
    await peers.more(30);
    await peers.stop();
    assert.deepEqual(peers.failures, []);
    assert.ok(agent.events.includes("REDIRECT_RULES_RELOADED") && !agent.events.includes("REDIRECT_RULES_LOST"));
    assert.ok((peers.answers.get("client /steady") ?? 0) > 0);
    for (const conversation of conversations) await conversation.stop();
  });
});
