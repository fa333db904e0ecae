import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { Writer } from "@understudy/protocol";
import { MemoryBudget } from "../task/memoryBudget.ts";
import { Metrics } from "../metrics/metrics.ts";
import { createTurnEnd } from "../task/turnEnd.ts";
import { Outbox } from "./outbox.ts";
import { listening, portOf } from "./sessionFixture.ts";

test("all sources that wait are resumed once there is room, also when the first ones have nothing to send", async () => {
  const accepted = Promise.withResolvers<Socket>();
  const server = await listening(createServer({ pauseOnConnect: true }, (socket) => accepted.resolve(socket)));
  const socket = connect(portOf(server), "127.0.0.1");
  await once(socket, "connect");
  const reader = await accepted.promise;
  const budget = new MemoryBudget({ totalBytes: 1 << 24, shareMaxBytes: 64 * 1024 });
  const share = budget.open();
  const writer = new Writer();
  const outbox = new Outbox({
    socket,
    writer,
    share,
    turnEnd: createTurnEnd(assert.ifError),
    sentBytes: new Metrics().sentBytes,
    onRelief: () => undefined,
  });
  while (share.hasRoom) {
    const bytes = new Uint8Array(60_000);
    outbox.send({ kind: "tcpOutgoing", value: { kind: "read", value: { kind: "ok", value: { connectionId: 1, bytes } } } }, "data");
    await new Promise((resolve) => setImmediate(resolve));
  }
  const all = Promise.withResolvers<void>();
  let resumed = 0;
  for (let i = 0; i < 50; i++) {
    outbox.whenRoom(() => {
      resumed += 1;
      if (resumed === 50) all.resolve();
    });
  }
  reader.resume();
  await all.promise;
  outbox.close();
  assert.equal(budget.usedBytes, 0);
  socket.destroy();
  server.close();
});
