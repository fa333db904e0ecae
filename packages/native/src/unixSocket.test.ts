import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { test } from "node:test";
import {
  acceptUnix,
  connectAbstract,
  duplicate,
  listenUnix,
  peerName,
  raiseSendBuffer,
  receivePacket,
  sendPacket,
  shutdownWrite,
  type SystemCallError,
  unixSocket,
  type UnixSocketType,
  watchSocket,
} from "./index.ts";

/** Names of this process and test only. */
function abstractName(tag: string): Uint8Array {
  return Buffer.concat([Buffer.from(`understudy-${process.pid}-${tag}-`), Buffer.of(0xff, 0, 0xfe)]);
}

function pair(type: UnixSocketType, tag: string): Disposable & { client: number; server: number; name: Uint8Array } {
  const name = abstractName(tag);
  const listener = listenUnix(type, { kind: "abstract", name }, 4);
  const client = unixSocket(type);
  connectAbstract(client, name);
  const server = acceptUnix(listener) ?? assert.fail("nobody connected");
  closeSync(listener);
  return {
    client,
    server,
    name,
    [Symbol.dispose]() {
      closeSync(this.client);
      closeSync(this.server);
    },
  };
}

function errnoName(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as SystemCallError).code;
  }
  return assert.fail("did not fail");
}

test("packets keep their boundaries, an empty one is not the end, and the end is told once nothing is left", () => {
  using sockets = pair("seqpacket", "boundaries");
  const { client, server } = sockets;
  assert.deepEqual(receivePacket(client, 100), { kind: "nothing" });
  for (const text of ["one", "", "three"]) assert.ok(sendPacket(server, Buffer.from(text)));
  shutdownWrite(server);
  assert.deepEqual(receivePacket(client, 100), { kind: "packet", bytes: Buffer.from("one") });
  assert.deepEqual(receivePacket(client, 100), { kind: "empty" });
  assert.deepEqual(receivePacket(client, 4), { kind: "tooLarge", length: 5 });
  assert.deepEqual(receivePacket(client, 5), { kind: "packet", bytes: Buffer.from("three") });
  assert.deepEqual(receivePacket(client, 100), { kind: "end" });
  assert.deepEqual(receivePacket(client, 100), { kind: "end" });
  assert.ok(sendPacket(client, Buffer.from("still works")));
});

test("a name of any bytes is that of the listener, and a connector has none", () => {
  using sockets = pair("stream", "names");
  assert.deepEqual(peerName(sockets.client), { kind: "abstract", name: Uint8Array.from(sockets.name) });
  assert.deepEqual(peerName(sockets.server), { kind: "unnamed" });
});

test("a packet over the send buffer fails with EMSGSIZE until the buffer is raised, and has a limit even then", () => {
  using sockets = pair("seqpacket", "size");
  const bytes = new Uint8Array(300_000);
  assert.equal(
    errnoName(() => sendPacket(sockets.client, bytes)),
    "EMSGSIZE",
  );
  raiseSendBuffer(sockets.client);
  assert.ok(sendPacket(sockets.client, bytes));
  const received = receivePacket(sockets.server, bytes.length);
  assert.ok(received.kind === "packet" && received.bytes.length === bytes.length);
  assert.equal(
    errnoName(() => sendPacket(sockets.client, new Uint8Array(2 ** 26))),
    "EMSGSIZE",
  );
});

test("a full queue is no error, and the watch tells when there is room again", async () => {
  using sockets = pair("seqpacket", "full");
  const { client, server } = sockets;
  let sent = 0;
  while (sendPacket(client, new Uint8Array(10_000))) sent += 1;
  assert.ok(sent > 1);
  const { promise: writable, resolve } = Promise.withResolvers<void>();
  using watch = watchSocket(client, () => {
    watch.want({ readable: false, writable: false });
    resolve();
  });
  watch.want({ readable: false, writable: true });
  for (let i = 0; i < sent; i++) receivePacket(server, 10_000);
  await writable;
  assert.ok(sendPacket(client, new Uint8Array(10_000)));
});

test("a watch wakes for an error, and again when it goes on", async () => {
  using sockets = pair("seqpacket", "reset");
  const { client, server } = sockets;
  const wakes: (() => void)[] = [];
  using watch = watchSocket(client, () => wakes.shift()?.());
  const wake = (): Promise<void> => new Promise((resolve) => wakes.push(resolve));
  watch.want({ readable: true, writable: false });
  assert.ok(sendPacket(client, Buffer.from("unread")));
  const woken = wake();
  // Closing with something unread resets the connection; the descriptor itself stays for the pair to close.
  closeSync(server);
  sockets.server = duplicate(client);
  await woken;
  const again = wake();
  watch.want({ readable: true, writable: false });
  await again;
  assert.equal(
    errnoName(() => receivePacket(client, 100)),
    "ECONNRESET",
  );
  assert.deepEqual(receivePacket(client, 100), { kind: "end" });
});

test("errors are the kernel's: nobody listens, a full backlog, the other side gone", () => {
  const name = abstractName("errors");
  const fd = unixSocket("stream");
  assert.equal(
    errnoName(() => connectAbstract(fd, name)),
    "ECONNREFUSED",
  );
  assert.equal(
    errnoName(() => connectAbstract(fd, new Uint8Array(108))),
    "EINVAL",
  );
  const listener = listenUnix("seqpacket", { kind: "abstract", name }, 0);
  // Abstract names of different types are different names.
  assert.equal(
    errnoName(() => connectAbstract(fd, name)),
    "ECONNREFUSED",
  );
  closeSync(fd);
  const [first, second] = [unixSocket("seqpacket"), unixSocket("seqpacket")];
  connectAbstract(first, name);
  assert.equal(
    errnoName(() => connectAbstract(second, name)),
    "EAGAIN",
  );
  // Nobody accepted it, so what it might have said was not read.
  closeSync(listener);
  const codes = [1, 2].map(() => errnoName(() => sendPacket(first, Buffer.from("x"))));
  assert.deepEqual(codes, ["ECONNRESET", "EPIPE"]);
  for (const each of [first, second]) closeSync(each);
});
