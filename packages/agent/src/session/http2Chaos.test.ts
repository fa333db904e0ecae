// Peers, targets and clients that do anything at any time: nothing of the agent's own breaks, nothing is left over, and an ordinary request is still answered.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { createServer as createHttp2Server } from "node:http2";
import { PREFACE } from "../incoming/http2/frameTypes.ts";
import {
  block,
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  FrameWatcher,
  headers,
  opening,
  request,
  setting,
  types,
  uint32,
} from "./http2Fixture.ts";
import { type Peer, PodUnderTest } from "./incomingFixture.ts";

const streamId = fc.constantFrom(0, 1, 2, 3, 5, 7, 9, 2 ** 31 - 1);
const user = fc.constantFrom("me", "old", "you");
const someHeaders = fc
  .tuple(streamId, user, fc.constantFrom(0, END_STREAM), fc.constantFrom("GET", "POST", "HEAD", "CONNECT"))
  .map(([id, name, flags, method]) => headers(id, [[":method", method], ...request.slice(1), ["x-user", name]], flags));
const cutHeaders = fc.tuple(streamId, fc.nat(40)).map(([id, at]) => {
  const bytes = block([...request, ["x-user", "me"]]);
  return Buffer.concat([
    frame(types.headers, END_STREAM, id, bytes.subarray(0, at)),
    frame(types.continuation, END_HEADERS, id, bytes.subarray(at)),
  ]);
});
const someData = fc
  .tuple(streamId, fc.constantFrom(0, END_STREAM, 8, 9), fc.uint8Array({ maxLength: 300 }))
  .map(([id, flags, bytes]) => frame(types.data, flags, id, bytes));
const someTrailers = streamId.map((id) => headers(id, [["x-sum", "1"]]));
const someReset = fc.tuple(streamId, fc.nat(14)).map(([id, code]) => frame(types.rst, 0, id, uint32(code)));
const someWindow = fc
  .tuple(streamId, fc.constantFrom(0, 1, 70_000, 2 ** 31 - 1))
  .map(([id, bytes]) => frame(types.window, 0, id, uint32(bytes)));
const someSetting = fc
  .tuple(fc.constantFrom(1, 2, 3, 4, 5, 6, 8), fc.constantFrom(0, 1, 100, 65_535, 2 ** 31))
  .map(([id, value]) => frame(types.settings, 0, 0, setting(id, value)));
const anything = fc.tuple(fc.nat(12), fc.nat(255), streamId, fc.uint8Array({ maxLength: 60 })).map((parts) => frame(...parts));
const ordinary = fc.oneof(
  { weight: 5, arbitrary: someHeaders },
  { weight: 3, arbitrary: someData },
  cutHeaders,
  someTrailers,
  someReset,
  someWindow,
  someSetting,
);
const mess = fc.array(fc.oneof({ weight: 8, arbitrary: ordinary }, { weight: 1, arbitrary: anything }), { maxLength: 14 });

const RUNS = 150;

test("frames in any order, to targets and clients that answer or not", async () => {
  const server = createHttp2Server();
  server.on("sessionError", () => undefined);
  server.on("stream", (stream, { ":method": method }) => {
    stream.on("error", () => undefined);
    stream.resume();
    if (method === "POST") {
      stream.on("end", () => {
        if (!stream.destroyed) stream.respond({ ":status": 200 });
        stream.end("late");
      });
      return;
    }
    stream.respond({ ":status": 200 });
    stream.end("early");
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  using old = await pod.client("1.3.0");
  await pod.steal(client, "^x-user: me$");
  await pod.steal(old, "^x-user: old$");
  client.socket.on("data", () => {
    for (const message of client.messages.splice(0)) {
      if (message.kind !== "tcpSteal" || message.value.kind !== "httpRequestChunked" || message.value.value.kind !== "startV2") continue;
      const { connectionId } = message.value.value.value;
      const internalResponse = {
        status: 200,
        version: "HTTP/2.0",
        headers: [],
        body: [{ kind: "data", value: Buffer.from("mine") }],
      } as const;
      // Half of the requests are never answered.
      if (Number(connectionId) % 2 === 0)
        client.send({
          kind: "tcpSteal",
          value: { kind: "httpResponseFramed", value: { port: 1, connectionId, requestId: 0, internalResponse } },
        });
    }
  });
  await fc.assert(
    fc.asyncProperty(mess, fc.nat(2000), async (frames, cut) => {
      const bytes = Buffer.concat([opening, ...frames]);
      using peer = await pod.peer();
      peer.write(bytes.subarray(0, cut));
      await new Promise(setImmediate);
      peer.write(Buffer.concat([bytes.subarray(cut), frame(types.ping, 0, 0, Buffer.alloc(8))]));
      await dealtWith(peer);
    }),
    { numRuns: RUNS },
  );
  await assertClean(pod);
  using peer = await pod.peer();
  peer.write(Buffer.concat([opening, headers(1, request)]));
  assert.equal(await new FrameWatcher(peer).body(1), "early");
});

test("targets that answer with any frames", async () => {
  let answer: Uint8Array = new Uint8Array(0);
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write(answer);
      setTimeout(() => socket.destroy(), 5);
    });
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  const responses = fc.oneof(
    streamId.map((id) => headers(id, [[":status", "200"]], 0)),
    streamId.map((id) => headers(id, [[":status", "103"]], 0)),
    fc.tuple(streamId, fc.nat(500)).map(([id, code]) => frame(types.goAway, 0, 0, Buffer.concat([uint32(id), uint32(code)]))),
    ordinary,
    anything,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(responses, { maxLength: 10 }), async (frames) => {
      answer = Buffer.concat([frame(types.settings, 0, 0), frame(types.settings, 1, 0), ...frames]);
      using peer = await pod.peer();
      peer.write(
        Buffer.concat([
          opening,
          headers(1, request),
          headers(3, [[":method", "POST"], ...request.slice(1)], 0),
          frame(types.data, 0, 3, Buffer.alloc(100)),
        ]),
      );
      // Each of them ends in some way: by an answer, a reset, or the end of the connection.
      await until(
        peer,
        ({ type, streamId: id }) => (type === types.headers && id === 1) || (type === types.rst && id === 1) || type === types.goAway,
      );
    }),
    { numRuns: RUNS },
  );
  await assertClean(pod);
});

test("bytes that are no HTTP/2 behind its preface", async () => {
  const server = createServer((socket) => void socket.on("error", () => undefined).resume());
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(24), async (bytes, kept) => {
      using peer = await pod.peer();
      peer.write(Buffer.concat([PREFACE.subarray(0, Math.max(14, kept)), bytes]));
      await dealtWith(peer);
    }),
    { numRuns: RUNS },
  );
  await assertClean(pod);
});

/** The agent has read all that was written, or has ended the connection. */
async function dealtWith(peer: Peer): Promise<void> {
  await Promise.race([until(peer, ({ type, flags }) => type === types.goAway || (type === types.ping && flags === 1)), sleep(50)]);
}

/** Such a frame has come, or the connection has ended. */
async function until(peer: Peer, matches: (frame: Frame) => boolean): Promise<void> {
  const watcher = new FrameWatcher(peer);
  await peer.until(() => peer.hasEnded || watcher.frames.some(matches)).catch(() => undefined);
}

/** Everything is given back, and nobody found a fault of the agent. */
async function assertClean(pod: PodUnderTest): Promise<void> {
  const { metrics, log, budget } = pod.agent;
  for (
    let i = 0;
    i < 400 && (metrics.redirectedConnectionsCount.value > 0 || metrics.redirectedRequestsCount.value > 0 || budget.usedBytes > 0);
    i++
  )
    await sleep(10);
  assert.equal(metrics.redirectedConnectionsCount.value, 0);
  assert.equal(metrics.redirectedRequestsCount.value, 0);
  assert.equal(budget.usedBytes, 0);
  assert.deepEqual(
    log.events.filter(({ code }) => code === "AGENT_BUG"),
    [],
  );
}
