// What becomes of subscriptions: who loses a port to whom and hears of it, how long a port stays redirected, and what sessions that vanish leave behind.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertGivenBack, eventually, GET, manualTarget, nextStart, OK, respond, settled } from "./incomingActorsFixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const MINE = "x-user: me";
const RAW = "\x00";

function unsubscribe(pod: PodUnderTest, client: Client): void {
  client.send({ kind: "tcpSteal", value: { kind: "portUnsubscribe", value: pod.port } });
}

test("who loses a port to another is told; what it was answering goes on, and what it does with the port later changes nothing", async () => {
  const { server } = manualTarget();
  await using pod = await PodUnderTest.start(server);
  const { metrics } = pod.agent;
  using filtering = await pod.client();
  using owning = await pod.client();
  await pod.steal(filtering, MINE);
  using asking = await pod.peer(GET("/before", MINE));
  const { connectionId } = await nextStart(filtering);
  await pod.steal(owning);
  const lost = (await filtering.next("logMessage")).value;
  assert.deepEqual(lost, {
    message: `Port ${pod.port} is now stolen by another user; requests and connections under way go on`,
    level: "warn",
  });
  const counts = (): number[] => [
    metrics.stealFilteredPortSubscriptionCount.value,
    metrics.stealUnfilteredPortSubscriptionCount.value,
    pod.redirected.size,
  ];
  assert.deepEqual(counts(), [0, 1, 1]);
  respond(filtering, connectionId, "late");
  await asking.until((text) => text.endsWith("late"));
  unsubscribe(pod, filtering);
  await settled(filtering);
  assert.deepEqual(counts(), [0, 1, 1]);
  asking.write(GET("/after", MINE));
  assert.equal((await nextStart(owning)).request.uri, "/after");

  await pod.steal(filtering, MINE);
  assert.equal((await owning.next("logMessage")).value.message, lost.message);
  assert.deepEqual(counts(), [1, 0, 1]);
});

test("a port that nobody uses stays redirected for its time, unless somebody wants it again", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { unusedPortLingerMs: 150 });
  using client = await pod.client();
  await pod.steal(client, MINE);
  unsubscribe(pod, client);
  await settled(client);
  await sleep(50);
  assert.deepEqual([...pod.redirected], [pod.port]);
  using passed = await pod.peer(GET("/", MINE));
  (await target.next()).socket.write(OK);
  await passed.until((text) => text.endsWith("target"));
  await pod.steal(client, MINE);
  await sleep(200);
  assert.deepEqual([...pod.redirected], [pod.port]);
  using stolen = await pod.peer(GET("/", MINE));
  respond(client, (await nextStart(client)).connectionId, "client");
  await stolen.until((text) => text.endsWith("client"));
  unsubscribe(pod, client);
  await eventually(() => pod.redirected.size === 0, "the port is still redirected");
});

test("a client of an older version gets a raw connection in its form", async () => {
  const { server } = manualTarget();
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client("1.19.3");
  await pod.steal(client);
  using peer = await pod.peer(RAW);
  const { value } = await client.next("tcpSteal");
  assert.deepEqual(value, {
    kind: "newConnectionV1",
    value: {
      connectionId: 0,
      remoteAddress: "127.0.0.1",
      destinationPort: pod.port,
      sourcePort: peer.socket.localPort,
      localAddress: "127.0.0.1",
    },
  });
});

test("sessions that own a port come and vanish under a steady stream of raw connections: each of these is answered or ended", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.end("target"));
  });
  await using pod = await PodUnderTest.start(server);
  using staying = await pod.client();
  staying.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await staying.next("tcp");
  const answers = new Map<string, number>();
  const over = new AbortController();
  const stream = async (): Promise<void> => {
    while (!over.signal.aborted) {
      using peer = await pod.peer(RAW);
      const text = await peer.ended();
      assert.ok(peer.error === null && peer.hasEnded, String(peer.error));
      answers.set(text, (answers.get(text) ?? 0) + 1);
    }
  };
  const streams = Array.from({ length: 8 }, stream);
  for (let turn = 0; turn < 30 || (answers.get("target") ?? 0) < 100; turn++) {
    using vanishing = await pod.client();
    await pod.steal(vanishing);
    await vanishing.next("tcpSteal");
    vanishing.socket.destroy();
    await sleep(5);
  }
  over.abort();
  await Promise.all(streams);
  // Nothing, where the session that had it vanished.
  assert.deepEqual([...answers.keys()].toSorted(), ["", "target"]);
  staying.socket.destroy();
  await assertGivenBack(pod);
  assert.deepEqual(pod.agent.log.events, []);
});
