import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type AcceptedHandle, acceptHandles, takeListeningSocket, unmapped } from "./acceptHandles.ts";

async function listening(host = "127.0.0.1"): Promise<net.Server> {
  const server = net.createServer().listen({ port: 0, host });
  await once(server, "listening");
  return server;
}

test("an accepted connection reads into the buffer it is opened with, keeps its halves apart and knows its addresses", async () => {
  const buffer = Buffer.alloc(16);
  const received: string[] = [];
  const handles: AcceptedHandle[] = [];
  using acceptor = acceptHandles(await listening("::"), (accepted) => {
    handles.push(accepted);
    const socket = accepted.open({
      allowHalfOpen: true,
      onread: {
        buffer,
        callback(length, bytes) {
          assert.equal(bytes, buffer);
          received.push(buffer.toString("utf8", 0, length));
          return true;
        },
      },
    });
    socket.on("end", () => socket.end("answer"));
  });
  const client = net.connect({ port: acceptor.port, host: "127.0.0.1", allowHalfOpen: true });
  client.end("question");
  const localPort = once(client, "connect").then(() => client.localPort);
  const [answer] = (await once(client, "data")) as [Buffer];
  await once(client, "close");
  assert.equal(answer.toString(), "answer");
  assert.equal(received.join(""), "question");
  assert.deepEqual(handles[0]?.remote, { ip: "127.0.0.1", port: await localPort });
});

test("a dropped connection sees a reset and leaves no descriptor behind", async () => {
  const { promise: dropped, resolve } = Promise.withResolvers<void>();
  using acceptor = acceptHandles(await listening(), (accepted) => {
    assert.equal(accepted.local.port, acceptor.port);
    const open = readdirSync("/proc/self/fd").length;
    accepted.drop();
    assert.equal(readdirSync("/proc/self/fd").length, open - 1);
    assert.throws(() => accepted.open(), TypeError);
    resolve();
  });
  const client = net.connect(acceptor.port, "127.0.0.1");
  const failed = once(client, "error") as Promise<[NodeJS.ErrnoException]>;
  await dropped;
  assert.equal((await failed)[0].code, "ECONNRESET");
});

test("connections wait until accepting begins, and are refused after it ends", async () => {
  const socket = takeListeningSocket(await listening());
  const client = net.connect(socket.port, "127.0.0.1");
  await once(client, "connect");
  const { promise: accepted, resolve } = Promise.withResolvers<AcceptedHandle>();
  const acceptor = socket.accept(resolve);
  (await accepted).open().end();
  client.resume();
  await once(client, "close");
  acceptor[Symbol.dispose]();
  socket[Symbol.dispose]();
  const late = net.connect(acceptor.port, "127.0.0.1");
  const [error] = (await once(late, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
});

test("a burst of connections is accepted whole", async () => {
  let count = 0;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  using acceptor = acceptHandles(await listening(), (accepted) => {
    accepted.open().destroy();
    count += 1;
    if (count === 200) resolve();
  });
  const clients = Array.from({ length: 200 }, () =>
    net
      .connect(acceptor.port, "127.0.0.1")
      .on("error", () => undefined)
      .resume(),
  );
  await all;
  for (const client of clients) client.destroy();
});

const needsPrlimit = spawnSync("prlimit", ["--version"]).error !== undefined && process.env["CI"] === undefined;

test(
  "without free descriptors accepting pauses once, and nobody who waits is lost",
  { skip: needsPrlimit ? "needs prlimit" : false },
  async () => {
    const fixture = fileURLToPath(new URL("acceptFixture.ts", import.meta.url));
    const { stdout } = await promisify(execFile)("prlimit", ["--nofile=128:128", process.execPath, "--conditions=source", fixture], {
      timeout: 20_000,
    });
    assert.deepEqual(JSON.parse(stdout), { acceptedWhileFull: 0, accepted: 40, served: 40, codes: ["EMFILE"] });
  },
);

test("mapped addresses are written as IPv4, others stay", () => {
  assert.deepEqual(unmapped({ ip: "::ffff:10.0.0.1", port: 1 }), { ip: "10.0.0.1", port: 1 });
  assert.deepEqual(unmapped({ ip: "fd00::1", port: 1 }), { ip: "fd00::1", port: 1 });
});
