// Peers that begin a request and do not go on.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { assertGivenBack, GET, manualTarget, MINE, nextStart, OK, respond } from "./incomingActorsFixture.ts";
import { httpLimits, PodUnderTest } from "./incomingFixture.ts";

const http = { ...httpLimits, headTimeoutMs: 50 };

test("half a head reaches the target in the end, which answers it as it likes", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { http });
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  using peer = await pod.peer();
  peer.write("GET /slow HTTP/1.1\r\nHost: a\r\n");
  const connection = await target.next();
  await connection.until((text) => text === "GET /slow HTTP/1.1\r\nHost: a\r\n");
  connection.socket.write(OK);
  await peer.until((text) => text === OK);
});

test("behind an answer that the target knows nothing of, half a head is answered with 408", async () => {
  await using pod = await PodUnderTest.start(createServer(), { http });
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  using peer = await pod.peer();
  peer.write(GET("/", MINE));
  respond(client, (await nextStart(client)).connectionId, "mine");
  await peer.until((text) => text.endsWith("mine"));
  peer.write("GET /slow HTTP/1.1\r\n");
  assert.match(await peer.ended(), /mineHTTP\/1\.1 408 Request Timeout\r\nconnection: close\r\n/);
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a head that comes in pieces in time is judged", async () => {
  await using pod = await PodUnderTest.start(createServer(), { http: httpLimits });
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  using peer = await pod.peer();
  for (const piece of ["GET / HT", "TP/1.1\r\nHost: a\r\n", `${MINE}\r\n\r\n`]) peer.write(piece);
  respond(client, (await nextStart(client)).connectionId, "mine");
  await peer.until((text) => text.endsWith("mine"));
});
