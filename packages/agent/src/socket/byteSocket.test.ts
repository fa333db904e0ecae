import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { ByteSocket } from "./byteSocket.ts";
import { ReceiveBuffers } from "./receiveBuffer.ts";

/** A byte socket and the other end of its connection. */
async function pair(buffers = new ReceiveBuffers()): Promise<{ near: ByteSocket; far: Socket; closed: Promise<Error | null> }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const { promise: closed, resolve } = Promise.withResolvers<Error | null>();
  const near = new ByteSocket((onread) => connect({ host: "127.0.0.1", port: address.port, allowHalfOpen: true, onread }), buffers, {
    bytes: () => true,
    closed: resolve,
  });
  await once(near.socket, "connect");
  const [far] = await accepted;
  far.on("error", () => undefined);
  server.close();
  return { near, far, closed };
}

/** Unlike `once`, resolves after an error, too. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once("close", () => resolve()));
}

test("a reset right after an end closes the socket, and the other side sees it", async () => {
  const { near, far, closed } = await pair();
  near.end();
  near.reset();
  assert.equal(await closed, null);
  far.resume();
  await closeOf(far);
  assert.match(String(far.errored), /ECONNRESET/);
});

test("a lingering end waits for what the other side has not taken yet", async () => {
  const { near, far, closed } = await pair();
  const bytes = 8 << 20;
  near.write(Buffer.alloc(bytes));
  near.endAndLinger(20, 10_000);
  await new Promise((resolve) => setTimeout(resolve, 100)); // longer than it lingers
  let got = 0;
  far.on("data", (chunk: Buffer) => (got += chunk.length)).resume();
  await once(far, "end");
  assert.equal(got, bytes);
  // And then only for the time given.
  assert.equal(await closed, null);
  far.destroy();
});

test("a lingering end gives up on another side that takes nothing", async () => {
  const { near, far, closed } = await pair();
  near.write(Buffer.alloc(8 << 20));
  near.endAndLinger(20, 100);
  await closed;
  far.resume();
  await closeOf(far);
  assert.match(String(far.errored), /ECONNRESET/);
});

test("a socket that an observer holds is not read until it is let go, whatever its reader says", async () => {
  const { near, far } = await pair();
  const received: string[] = [];
  const got = Promise.withResolvers<void>();
  near.reader = {
    bytes: (view) => {
      received.push(Buffer.from(view).toString());
      if (received.join("").includes("two")) got.resolve();
      return true;
    },
  };
  near.observer = { bytes: () => near.hold(), ended: () => undefined, closed: () => undefined };
  far.write("one");
  while (received.length === 0) await new Promise((resolve) => setImmediate(resolve));
  far.write("two");
  near.resume();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(received, ["one"]);
  // The reader wants to wait, too: letting go does not overrule it.
  near.pause();
  near.letGo();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(received, ["one"]);
  near.resume();
  await got.promise;
  near.destroy();
  far.destroy();
});

test("sockets that always have more to read share a turn of the event loop", async () => {
  const buffers = new ReceiveBuffers();
  const pairs = await Promise.all(Array.from({ length: 4 }, () => pair(buffers)));
  const each = 8 << 20;
  let got = 0;
  let inTurn = 0;
  let most = 0;
  for (const { near, far } of pairs) {
    near.pause();
    far.end(Buffer.alloc(each));
    near.reader = {
      bytes: (view) => {
        got += view.length;
        inTurn += view.length;
        most = Math.max(most, inTurn);
        return true;
      },
    };
  }
  for (const { near } of pairs) near.resume();
  while (got < each * pairs.length) {
    await new Promise((resolve) => setImmediate(resolve));
    inTurn = 0;
  }
  // One has 32 times 64 KiB, and the others 4 times each; a bulk buffer is two more at once.
  assert.ok(most > 1 << 20 && most <= (33 + 3 * 5) * 64 * 1024, `${most} bytes in one turn`);
  for (const { near, far } of pairs) {
    near.destroy();
    far.destroy();
  }
});

test("bytes that the kernel takes at once, in part or later arrive in the order in which they were written", async () => {
  const { near, far } = await pair();
  const sizes = [1, 100, 20_000, 3, 64 * 1024, 5000, 16 * 1024, 0, 7];
  let value = 0;
  const written: Uint8Array[] = [];
  let hasBacklog = false;
  for (let total = 0; total < 8 << 20;) {
    for (const size of sizes) {
      const bytes = Uint8Array.from({ length: size }, () => value++ % 251);
      written.push(bytes);
      total += size;
      if (!near.write(bytes)) hasBacklog = true;
    }
    near.writeAll([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    written.push(Uint8Array.of(1, 2, 3));
    for (const size of [64 * 1024, 256 * 1024]) {
      const pieces = [10, size, 0, 20].map((length) => Uint8Array.from({ length }, () => value++ % 251));
      written.push(...pieces);
      total += size;
      if (!near.writeAll(pieces)) hasBacklog = true;
    }
  }
  assert.ok(hasBacklog);
  assert.ok(near.hasWritten);
  near.end();
  const got: Buffer[] = [];
  far.on("data", (chunk: Buffer) => got.push(chunk)).resume();
  await once(far, "end");
  assert.equal(Buffer.compare(Buffer.concat(got), Buffer.concat(written)), 0);
  near.destroy();
  far.destroy();
});

test("a socket whose other side has gone away is closed with the error when something is written", async () => {
  const { near, far, closed } = await pair();
  far.resetAndDestroy();
  await closeOf(far);
  // In this turn it knows nothing of that yet.
  assert.ok(near.isWritable);
  near.write(Uint8Array.of(1));
  assert.ok(!near.isWritable);
  assert.equal(((await closed) as NodeJS.ErrnoException).code, "ECONNRESET");
});
