// A target that answers before it has the whole request, and ends the connection with that.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readSync } from "node:fs";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ByteSocket } from "../socket/byteSocket.ts";
import { ReceiveBuffers } from "../socket/receiveBuffer.ts";
import { assertGivenBack, MINE, OK } from "./incomingActorsFixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";

/** Reads from a paused socket in every turn of the event loop until something is there. */
async function firstBytes({ socket }: ByteSocket): Promise<string> {
  const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const bytes = Buffer.alloc(4096);
  for (;;) {
    await setImmediate();
    try {
      return bytes.toString("latin1", 0, readSync(fd, bytes));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

test("the end of the connection reaches the peer with an early answer, not a turn of the event loop later", async () => {
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(OK));
  });
  await using pod = await PodUnderTest.start(target);
  using client = await pod.client();
  await pod.steal(client, `^${MINE}$`);
  const address = { port: pod.doorPort, host: "127.0.0.1", allowHalfOpen: true };
  const peer = new ByteSocket((onread) => connect({ ...address, onread }), new ReceiveBuffers(), { bytes: () => true });
  await once(peer.socket, "connect");
  peer.pause();
  peer.write(Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab"));
  assert.equal(await firstBytes(peer), OK);
  assert.ok(peer.isAtEnd);
  peer.destroy();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});
