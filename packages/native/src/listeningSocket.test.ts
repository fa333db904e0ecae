import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync } from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { acceptConnection, closeWithReset, duplicate, ownAddress, watchReadable } from "./index.ts";

/** A listening socket that nobody accepts from. */
async function listeningSocket(): Promise<Disposable & { fd: number; port: number }> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { fd: owned } = (server as unknown as { _handle: { fd: number } })._handle;
  const fd = duplicate(owned);
  server.close();
  return { fd, port: ownAddress(fd).port, [Symbol.dispose]: () => closeSync(fd) };
}

test("a watched listening socket tells of a connection, which is accepted with both addresses", async () => {
  using listener = await listeningSocket();
  assert.equal(acceptConnection(listener.fd), null);
  const { promise: readable, resolve } = Promise.withResolvers<void>();
  using watch = watchReadable(listener.fd, resolve);
  watch.start();
  const client = net.connect(listener.port, "127.0.0.1");
  await Promise.all([readable, once(client, "connect")]);
  watch.stop();
  const accepted = acceptConnection(listener.fd) ?? assert.fail("no connection waits");
  assert.deepEqual(accepted.remote, { ip: "127.0.0.1", port: client.localPort });
  assert.deepEqual(ownAddress(accepted.fd), { ip: "127.0.0.1", port: listener.port });
  const reset = once(client, "error");
  closeWithReset(accepted.fd);
  assert.equal(((await reset)[0] as NodeJS.ErrnoException).code, "ECONNRESET");
});

test("a watch that is disposed of twice or used afterwards does nothing", async () => {
  using listener = await listeningSocket();
  const watch = watchReadable(listener.fd, () => assert.fail("called"));
  watch[Symbol.dispose]();
  watch[Symbol.dispose]();
  watch.start();
  watch.stop();
});
