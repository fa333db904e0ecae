import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { DaemonMessage, StreamDecoder, Writer } from "@understudy/protocol";
import { ByteSocket } from "../socket/byteSocket.ts";
import { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { MemoryBudget } from "../task/memoryBudget.ts";
import { Metrics } from "../metrics/metrics.ts";
import { createTurnEnd } from "../task/turnEnd.ts";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import { listening, portOf } from "./sessionFixture.ts";

/** An outbox and the other end of its connection, which reads nothing yet. */
async function connected(
  options: Pick<OutboxOptions, "share" | "copyShare" | "haveCopiesDrained">,
): Promise<Disposable & { outbox: Outbox; reader: Socket }> {
  const accepted = Promise.withResolvers<Socket>();
  const server = await listening(createServer({ pauseOnConnect: true }, (socket) => accepted.resolve(socket)));
  const socket: ByteSocket = new ByteSocket(
    (onread) => connect({ port: portOf(server), host: "127.0.0.1", onread }),
    new ReceiveBuffers(),
    { bytes: () => true, drained: () => outbox.drained() },
  );
  await once(socket.socket, "connect");
  const reader = await accepted.promise;
  const outbox = new Outbox({
    socket,
    writer: new Writer(),
    turnEnd: createTurnEnd(assert.ifError),
    sentBytes: new Metrics().sentBytes,
    onRelief: () => undefined,
    ...options,
  });
  return {
    outbox,
    reader,
    [Symbol.dispose]() {
      outbox.close();
      socket.destroy();
      reader.destroy();
      server.close();
    },
  };
}

test("all sources that wait are resumed once there is room, also when the first ones have nothing to send", async () => {
  const budget = new MemoryBudget({ totalBytes: 1 << 24, shareMaxBytes: 64 * 1024 });
  const share = budget.open();
  using pair = await connected({ share, copyShare: budget.open(), haveCopiesDrained: () => true });
  const { outbox, reader } = pair;
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
});

test("copies leave behind everything else, are counted on their own, and are dropped when the session says goodbye", async () => {
  const budget = new MemoryBudget({ totalBytes: 1 << 26, shareMaxBytes: 64 * 1024 });
  const share = budget.open();
  const copyShare = budget.open();
  using pair = await connected({ share, copyShare, haveCopiesDrained: () => copyShare.heldBytes < 64 * 1024 });
  const { outbox, reader } = pair;
  const received: string[] = [];
  const decoder = new StreamDecoder(DaemonMessage);
  let onReceived = (): void => undefined;
  const until = async (isThere: () => boolean): Promise<void> => {
    while (!isThere()) await new Promise<void>((resolve) => (onReceived = resolve));
  };
  reader.on("data", (chunk: Buffer) => {
    decoder.feed(chunk);
    for (let message = decoder.next(); message !== undefined; message = decoder.next()) received.push(message.kind);
    onReceived();
  });
  let sent = 0;
  const fill = async (): Promise<void> => {
    reader.pause();
    while (copyShare.heldBytes < 1 << 20) {
      const bytes = new Uint8Array(60_000);
      outbox.send({ kind: "tcp", value: { kind: "data", value: { connectionId: 1, bytes } } }, "copies");
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await fill();
  assert.equal(share.heldBytes, 0);
  let resumed = 0;
  outbox.whenCopyRoom(() => (resumed += 1));
  outbox.send({ kind: "pong" }, "answers");
  reader.resume();
  await until(() => received.length === sent + 1);
  assert.ok(received.indexOf("pong") < sent);
  assert.equal(resumed, 1);

  await fill();
  outbox.sendLast({ kind: "close", value: "bye" });
  reader.resume();
  await until(() => received.at(-1) === "close");
  await outbox.emptied();
  assert.ok(received.length < sent + 2);
  assert.equal(budget.usedBytes, 0);
});

test("what nobody waits for leaves in one piece with what is sent next, and after a moment where nothing is", async () => {
  const budget = new MemoryBudget({ totalBytes: 1 << 24, shareMaxBytes: 64 * 1024 });
  using pair = await connected({ share: budget.open(), copyShare: budget.open(), haveCopiesDrained: () => true });
  const { outbox, reader } = pair;
  reader.resume();
  const close = (connectionId: number): DaemonMessage => ({ kind: "tcpSteal", value: { kind: "close", value: { connectionId } } });
  const next = async (): Promise<readonly string[]> => {
    const decoder = new StreamDecoder(DaemonMessage);
    decoder.feed((await once(reader, "data"))[0] as Buffer);
    const kinds: string[] = [];
    for (let message = decoder.next(); message !== undefined; message = decoder.next()) kinds.push(message.kind);
    return kinds;
  };
  const together = next();
  outbox.sendLater(close(1), "data");
  await new Promise((resolve) => setImmediate(resolve));
  outbox.send({ kind: "pong" }, "answers");
  assert.deepEqual(await together, ["pong", "tcpSteal"]);
  const alone = next();
  outbox.sendLater(close(2), "data");
  assert.deepEqual(await alone, ["tcpSteal"]);
  assert.equal(budget.usedBytes, 0);
});
