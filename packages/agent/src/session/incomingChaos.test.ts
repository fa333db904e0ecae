// Peers, the target and clients that do anything at any time. Nobody's bytes are checked here (see the tests of exactness); what is checked is that
// every client hears of each connection and request in order and of its end at most once, and that in the end everything has been given back.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { DaemonTcp, InternalHttpBodyFrame } from "@understudy/protocol";
import fc from "fast-check";
import { type Peer, PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const RUNS = 40;
const PEERS = 3;
const CLIENTS = 3;

const HEAD = (who: string, lines: string): string => `POST /${who} HTTP/1.1\r\nHost: shop\r\nx-user: ${who}\r\n${lines}\r\n`;

/** What peers send, in pieces that make sense only together; any order is allowed. */
const PIECES: readonly string[] = [
  ...["0", "1", "nobody"].flatMap((who) => [
    HEAD(who, ""),
    HEAD(who, "Content-Length: 5\r\n") + "12345",
    HEAD(who, "Content-Length: 5\r\n") + "12",
    HEAD(who, "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n",
    HEAD(who, "Transfer-Encoding: chunked\r\n\r\n") + "3\r\nabc\r\n0\r\n\r\n",
    HEAD(who, "Expect: 100-continue\r\nContent-Length: 5\r\n"),
    HEAD(who, "Connection: upgrade\r\nUpgrade: x\r\n"),
    HEAD(who, "Connection: close\r\n"),
    HEAD(who, "").replace("POST", "HEAD").replace("1.1", "1.0"),
  ]),
  "345",
  "0\r\n\r\n",
  "nonsense\r\n\r\n",
  "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
  "\x00raw",
  HEAD("0", "Content-Length: 400000\r\n") + "x".repeat(400_000),
];

const ANSWERS: readonly string[] = [
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\nContent-Le",
  "ngth: 0\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\r\nuntil close",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
  "0\r\n\r\n",
  "nonsense",
  `HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n${"y".repeat(600_000)}`,
];

type Action =
  | { readonly who: "peer"; readonly index: number; readonly does: "write"; readonly piece: number }
  | { readonly who: "peer"; readonly index: number; readonly does: "end" | "reset" | "leave" | "pause" | "resume" }
  | { readonly who: "target"; readonly index: number; readonly does: "write"; readonly piece: number }
  | { readonly who: "target"; readonly index: number; readonly does: "end" | "reset" }
  | { readonly who: "client"; readonly index: number; readonly does: "answer"; readonly how: number; readonly which: number }
  | {
      readonly who: "client";
      readonly index: number;
      readonly does: "leave" | "unsubscribe" | "subscribe" | "own" | "mirror" | "pause" | "resume";
    };

const index = fc.integer({ min: 0, max: PEERS - 1 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      who: fc.constant("peer" as const),
      index,
      does: fc.constant("write" as const),
      piece: fc.nat(PIECES.length - 1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ who: fc.constant("peer" as const), index, does: fc.constantFrom("end", "reset", "leave", "pause", "resume") }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      who: fc.constant("target" as const),
      index: fc.nat(10),
      does: fc.constant("write" as const),
      piece: fc.nat(ANSWERS.length - 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ who: fc.constant("target" as const), index: fc.nat(10), does: fc.constantFrom("end", "reset") }) },
  {
    weight: 8,
    arbitrary: fc.record({
      who: fc.constant("client" as const),
      index: fc.nat(CLIENTS - 1),
      does: fc.constant("answer" as const),
      how: fc.nat(9),
      which: fc.nat(5),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      who: fc.constant("client" as const),
      index: fc.nat(CLIENTS - 1),
      does: fc.constantFrom("leave", "unsubscribe", "subscribe", "own", "mirror", "pause", "resume"),
    }),
  },
);

/** One run's cast. */
class Scene {
  readonly pod: PodUnderTest;
  readonly targets: Socket[];
  readonly peers: Peer[] = [];
  readonly clients: Client[] = [];
  readonly everybody: Client[] = [];

  constructor(pod: PodUnderTest, targets: Socket[]) {
    this.pod = pod;
    this.targets = targets;
  }

  async play(action: Action): Promise<void> {
    switch (action.who) {
      case "peer":
        await this.#peer(action);
        break;
      case "target":
        this.#target(action);
        break;
      case "client":
        await this.#client(action);
        break;
    }
    // A turn or two of everybody's.
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #peer(action: Extract<Action, { who: "peer" }>): Promise<void> {
    if (this.peers[action.index]?.socket.destroyed !== false) this.peers[action.index] = await this.pod.peer();
    const { socket } = this.peers[action.index]!;
    if (action.does === "write") {
      if (socket.writable) socket.write(PIECES[action.piece]!, "latin1");
    } else if (action.does === "end") socket.end();
    else if (action.does === "reset") socket.resetAndDestroy();
    else if (action.does === "leave") socket.destroy();
    else socket[action.does]();
  }

  #target(action: Extract<Action, { who: "target" }>): void {
    const open = this.targets.filter((socket) => !socket.destroyed);
    const socket = open[action.index % open.length];
    if (socket === undefined) return;
    if (action.does === "write") {
      if (socket.writable) socket.write(ANSWERS[action.piece]!, "latin1");
    } else if (action.does === "end") socket.end();
    else socket.resetAndDestroy();
  }

  async #client(action: Extract<Action, { who: "client" }>): Promise<void> {
    if (this.clients[action.index]?.socket.destroyed !== false) {
      this.clients[action.index] = await this.pod.client();
      this.everybody.push(this.clients[action.index]!);
    }
    const client = this.clients[action.index]!;
    const { port } = this.pod;
    switch (action.does) {
      case "answer":
        this.#answer(client, action.how, action.which);
        return;
      case "leave":
        client.socket.destroy();
        return;
      case "subscribe": {
        const filter = { kind: "header", value: `^x-user: ${action.index}$` } as const;
        client.send({ kind: "tcpSteal", value: { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [port, filter] } } });
        return;
      }
      case "own":
        client.send({ kind: "tcpSteal", value: { kind: "portSubscribe", value: { kind: "all", value: port } } });
        return;
      case "mirror":
        client.send({ kind: "tcp", value: { kind: "portSubscribe", value: port } });
        return;
      case "unsubscribe":
        client.send(
          { kind: "tcpSteal", value: { kind: "portUnsubscribe", value: port } },
          { kind: "tcp", value: { kind: "portUnsubscribe", value: port } },
        );
        return;
      case "pause":
      case "resume":
        client.socket[action.does]();
        return;
    }
  }

  /** Something about one of the latest things the client heard of, whether it makes sense or not. */
  #answer(client: Client, how: number, which: number): void {
    const ids = client.messages.flatMap((message) => (message.kind === "tcpSteal" ? idsOf(message.value) : []));
    const connectionId = ids.at(-1 - (which % Math.max(1, ids.length))) ?? 0;
    const big = how === 9 ? 700_000 : 20;
    const frames: InternalHttpBodyFrame[] = [{ kind: "data", value: Buffer.alloc(big, "z") }];
    const ok = { status: how === 3 ? 101 : 200, version: "HTTP/1.1", headers: [], body: how === 3 ? [] : frames };
    const ids2 = { port: 0, connectionId, requestId: 0 };
    switch (how) {
      case 4:
        client.send({
          kind: "tcpSteal",
          value: { kind: "httpResponseChunked", value: { kind: "start", value: { ...ids2, internalResponse: ok } } },
        });
        return;
      case 5:
        client.send({
          kind: "tcpSteal",
          value: {
            kind: "httpResponseChunked",
            value: { kind: "body", value: { frames, isLast: which % 2 === 0, connectionId, requestId: 0 } },
          },
        });
        return;
      case 6:
        client.send({ kind: "tcpSteal", value: { kind: "connectionUnsubscribe", value: connectionId } });
        return;
      case 7:
        client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes: Buffer.alloc(which * 10_000) } } });
        return;
      case 8:
        client.send({
          kind: "tcpSteal",
          value: {
            kind: "httpResponseFramed",
            value: { ...ids2, internalResponse: { ...ok, headers: [["content-length", [Buffer.from("1")]]] } },
          },
        });
        return;
      default:
        client.send({ kind: "tcpSteal", value: { kind: "httpResponseFramed", value: { ...ids2, internalResponse: ok } } });
    }
  }
}

type Heard = readonly [id: number, what: "begin" | "more" | "close"];

function heard(message: DaemonTcp): Heard | null {
  switch (message.kind) {
    case "newConnectionV2":
      return [Number(message.value.connection.connectionId), "begin"];
    case "httpRequestChunked":
      if (message.value.kind === "startV2") return [Number(message.value.value.connectionId), "begin"];
      return message.value.kind === "body" ? [Number(message.value.value.connectionId), "more"] : null;
    case "data":
      return [Number(message.value.connectionId), "more"];
    case "close":
      return [Number(message.value.connectionId), "close"];
    default:
      return null;
  }
}

function idsOf(message: DaemonTcp): number[] {
  const what = heard(message);
  return what === null || what[1] !== "begin" ? [] : [what[0]];
}

function assertInOrder(client: Client): void {
  for (const lane of ["tcp", "tcpSteal"] as const) {
    const states = new Map<number, string>();
    for (const message of client.messages) {
      if (message.kind !== lane) continue;
      const what = heard(message.value);
      if (what === null) continue;
      const [id, event] = what;
      const before = states.get(id);
      if (event === "begin") assert.equal(before, undefined, `${lane} ${id} begins again`);
      else assert.ok(before !== undefined && before !== "close", `${lane} ${id}: ${event} after ${before}`);
      states.set(id, event);
    }
  }
}

async function assertGivenBack({ agent, port, redirected }: PodUnderTest): Promise<void> {
  const { metrics, sessions, budget, log } = agent;
  const isGivenBack = (): boolean =>
    metrics.redirectedConnectionsCount.value === 0 && sessions.count === 0 && budget.usedBytes === 0 && redirected.size === 0;
  for (let round = 0; round < 400 && !isGivenBack(); round++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(
    log.events.filter(({ code }) => code === "AGENT_BUG"),
    [],
  );
  assert.deepEqual(
    {
      connections: metrics.redirectedConnectionsCount.value,
      sessions: sessions.count,
      bytes: budget.usedBytes,
      ports: redirected.size,
      requests: metrics.redirectedRequestsCount.value,
      passed: metrics.bypassedRequests.with(port).value,
      copies: metrics.mirrorConnectionSubscriptionCount.value,
      filters: metrics.stealFilteredPortSubscriptionCount.value,
      owners: metrics.stealUnfilteredPortSubscriptionCount.value,
      mirrors: metrics.mirrorPortSubscriptionCount.value,
    },
    { connections: 0, sessions: 0, bytes: 0, ports: 0, requests: 0, passed: 0, copies: 0, filters: 0, owners: 0, mirrors: 0 },
  );
}

test("whatever peers, the target and clients do, everything is given back and every client is told in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 120 }), async (actions) => {
      const targets: Socket[] = [];
      let isOver = false;
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        targets.push(socket.on("error", () => undefined).resume());
        socket.on("end", () => setTimeout(() => socket.end(), 20));
        if (isOver) socket.destroy();
      });
      await using pod = await PodUnderTest.start(server, { detectionTimeoutMs: 20 });
      const scene = new Scene(pod, targets);
      for (const [i, does] of (["subscribe", "subscribe", "mirror"] as const).entries())
        await scene.play({ who: "client", index: i, does });
      for (const one of actions) await scene.play(one);

      // A client that is served gets an answer, whatever its peers do.
      for (const client of scene.clients) {
        if (client.socket.destroyed) continue;
        client.socket.resume();
        client.send({ kind: "ping" });
      }
      for (const peer of scene.peers) peer?.socket.resume();
      for (const client of scene.clients) if (!client.socket.destroyed) await client.next("pong");
      for (const peer of scene.peers) peer?.socket.destroy();
      for (const client of scene.clients) client.socket.destroy();
      isOver = true;
      for (const socket of targets) socket.destroy();
      for (const client of scene.everybody) assertInOrder(client);
      await assertGivenBack(pod);
    }),
    { numRuns: RUNS },
  );
});
