// `understudy forward` in a process of its own, through a real agent, to servers of this test.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Listening } from "./listening.ts";
import { freePort, TargetlessAgent } from "./targetlessAgent.ts";
import { RunningCommand, understudy } from "./understudy.ts";

const MIB = 1024 * 1024;
/** With `TEST_FULL` more goes through, so that what grows is seen; `FORWARD_GIB` says how much each way. */
const throughputMiB = process.env["TEST_FULL"] === undefined ? 200 : Number(process.env["FORWARD_GIB"] ?? 1) * 1024;

/** What the process may grow by while much goes through: buffers of the kernel's pace, and garbage that is not collected yet. */
const GROWTH_MAX_MIB = 96;

/** Answers only when the client has ended its direction. */
async function echoAtEnd(socket: Socket): Promise<void> {
  socket.end(`got ${await text(socket)}`);
}

function dial(port: number): Socket {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => undefined);
  return socket;
}

function zeros(mib: number): Readable {
  const chunk = Buffer.alloc(64 * 1024);
  return Readable.from(
    (function* () {
      for (let i = 0; i < mib * 16; i++) yield chunk;
    })(),
    { objectMode: false },
  );
}

suite("understudy forward", { timeout: 120_000 + throughputMiB * 100 }, () => {
  let agent: TargetlessAgent;
  before(async () => (agent = await TargetlessAgent.start()));
  after(() => agent[Symbol.asyncDispose]());

  const forwarding = (spec: string, ...more: readonly string[]): RunningCommand =>
    new RunningCommand(["forward", spec, "--agent", agent.address, ...more]);

  test("passes bytes and each end on, and prints a line when a connection is over", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => void echoAtEnd(socket));
    await using listening = await Listening.on(server);
    await using command = forwarding(`0:localhost:${listening.port}`);
    const port = await command.port();
    const socket = dial(port);
    socket.end("question");
    assert.equal(await text(socket), "got question");
    await command.output(new RegExp(`TCP +127\\.0\\.0\\.1:\\d+ -> localhost:${listening.port} +8 B out +12 B in +[\\d.]+ ms`));
    const { code, stdout } = await command.interrupt();
    assert.equal(code, 0);
    assert.match(stdout, /1 connection\n$/);
  });

  test("passes a reset of the target's side on, and the others go on", async () => {
    const server = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    await using listening = await Listening.on(server);
    await using command = forwarding(`0:127.0.0.1:${listening.port}`, "--json");
    const port = await command.port();
    const [other, socket] = [dial(port), dial(port)];
    await once(other, "connect");
    socket.write("x");
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
    await command.output(/"error":"[^"]*ECONNRESET/);
    assert.equal(other.destroyed, false);
    other.destroy();
  });

  test("a client's reset ends the connection at the server", async () => {
    const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
    await using listening = await Listening.on(createServer((socket) => resolve(socket.resume())));
    await using command = forwarding(`0:127.0.0.1:${listening.port}`);
    const socket = dial(await command.port());
    await once(socket, "connect");
    const peer = await accepted;
    socket.resetAndDestroy();
    if (!peer.destroyed) await once(peer, "close");
  });

  test("what refuses costs one connection and a line that says why", async () => {
    const closed = await freePort();
    await using command = forwarding(`0:127.0.0.1:${closed}`, "--json");
    const port = await command.port();
    for (let i = 0; i < 2; i++) {
      const [error] = (await once(dial(port), "error")) as [NodeJS.ErrnoException];
      assert.equal(error.code, "ECONNRESET");
    }
    await command.output(/ECONNREFUSED[^\n]*\n[^\n]*ECONNREFUSED[^\n]*\n/);
    const { code, stdout } = await command.interrupt();
    assert.equal(code, 0);
    for (const line of stdout.trim().split("\n")) {
      const value = JSON.parse(line) as Record<string, unknown>;
      assert.deepEqual([value["to"], value["sent"], value["received"]], [`127.0.0.1:${closed}`, 0, 0]);
    }
  });

  test("a unix socket of the target", async () => {
    const folder = await mkdtemp(`${tmpdir()}/understudy-forward-`);
    const server = createServer((socket) => socket.end("by unix")).listen(`${folder}/s`);
    await once(server, "listening");
    await using command = forwarding(`0:unix:${folder}/s`);
    assert.equal(await text(dial(await command.port())), "by unix");
    server.close();
    await rm(folder, { recursive: true });
  });

  test("datagrams of two programs each come back to their own", async () => {
    const echo = createSocket("udp4").bind(0, "127.0.0.1");
    await once(echo, "listening");
    echo.on("message", (bytes, { port, address }) => echo.send(Buffer.concat([Buffer.from("re: "), bytes]), port, address));
    await using command = forwarding(`0:localhost:${echo.address().port}`, "--udp", "--json");
    const port = await command.port();
    const programs = [createSocket("udp4"), createSocket("udp4")];
    for (const [i, program] of programs.entries()) {
      const answered = once(program, "message") as Promise<[Buffer]>;
      program.send(`from ${i}`, port, "127.0.0.1");
      assert.equal(String((await answered)[0]), `re: from ${i}`);
    }
    for (const socket of [echo, ...programs]) socket.close();
    const { code, stdout } = await command.interrupt();
    assert.equal(code, 0);
    assert.equal(stdout.match(/"transport":"udp"/g)?.length, 2);
  });

  test(`${throughputMiB} MiB each way leave the process small`, async (context) => {
    let received = 0;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("data", (chunk: Buffer) => (received += chunk.length));
      socket.once("end", () => void pipeline(zeros(throughputMiB), socket));
    });
    await using listening = await Listening.on(server);
    await using command = forwarding(`0:127.0.0.1:${listening.port}`);
    const socket = dial(await command.port());
    const before = await command.residentMiB();
    let most = before;
    const watching = setInterval(() => void command.residentMiB().then((now) => (most = Math.max(most, now))), 50);
    let got = 0;
    await pipeline(zeros(throughputMiB), socket, { end: true });
    assert.equal(await drained(socket, (bytes) => (got += bytes)), undefined);
    clearInterval(watching);
    assert.deepEqual([received, got], [throughputMiB * MIB, throughputMiB * MIB]);
    context.diagnostic(`resident memory ${before.toFixed(0)} MiB before, ${most.toFixed(0)} MiB at most`);
    assert.ok(most - before < GROWTH_MAX_MIB, `grew from ${before} to ${most} MiB`);
  });

  test("a reader that stops holds its sender up instead of filling the process", async () => {
    const sent = { bytes: 0 };
    const server = createServer((socket) => {
      const source = zeros(throughputMiB);
      source.on("data", (chunk: Buffer) => (sent.bytes += chunk.length));
      void pipeline(source, socket).catch(() => undefined);
    });
    await using listening = await Listening.on(server);
    await using command = forwarding(`0:127.0.0.1:${listening.port}`);
    const socket = dial(await command.port());
    const before = await command.residentMiB();
    // Until nothing more is taken: the subject is that something does not happen.
    for (let last = -1; last !== sent.bytes || last === 0;) {
      last = sent.bytes;
      await sleep(300);
    }
    assert.ok(sent.bytes < 100 * MIB, `${sent.bytes / MIB} MiB are kept`);
    const growth = (await command.residentMiB()) - before;
    assert.ok(growth < GROWTH_MAX_MIB, `grew by ${growth} MiB`);
    let got = 0;
    await drained(socket, (bytes) => (got += bytes));
    assert.equal(got, throughputMiB * MIB);
  });

  test("a port that is in use is said in one sentence", async () => {
    await using listening = await Listening.on(createServer());
    const { code, stdout, stderr } = await understudy(["forward", `${listening.port}:localhost:80`, "--agent", agent.address]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.equal(
      stderr,
      `understudy: port ${listening.port} of 127.0.0.1 is in use on this machine: choose another, or 0 for any that is free\n`,
    );
  });

  test("wrong arguments", async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["80", /LOCAL:HOST:REMOTE/],
      ["80:host", /It must be HOST:PORT/],
      ["99999:host:80", /A port is a number from 1 to 65535/],
      ["80:::1:80", /needs brackets/],
      ["80:unix:run/app.sock", /whole path/],
    ];
    for (const [spec, expected] of cases) {
      const { code, stderr } = await understudy(["forward", spec, "--agent", agent.address]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, expected);
    }
    const { code, stderr } = await understudy(["forward", "80:unix:/x", "--udp", "--agent", agent.address]);
    assert.deepEqual([code, /--udp does not go with unix sockets/.test(stderr)], [2, true]);
  });

  test("an agent that is not there", async () => {
    const { code, stderr } = await understudy(["forward", "0:localhost:80", "--agent", `127.0.0.1:${await freePort()}`]);
    assert.equal(code, 1);
    assert.match(stderr, /^understudy: cannot open a session with the agent at [^\n]*ECONNREFUSED[^\n]*\n$/);
  });

  test("open connections end with the agent, and new ones go through the next", async () => {
    const port = await freePort();
    const first = await TargetlessAgent.start({ port });
    await using listening = await Listening.on(createServer((socket) => socket.write("hello")));
    await using command = new RunningCommand(["forward", `0:127.0.0.1:${listening.port}`, "--agent", first.address]);
    const local = await command.port();
    const socket = dial(local);
    await once(socket, "data");
    const broken = once(socket, "error");
    await first.kill();
    await broken;
    await command.output(/connecting again/);
    // It waits for the next session.
    const waiting = dial(local);
    await using _second = await TargetlessAgent.start({ port });
    assert.equal(String(((await once(waiting, "data")) as [Buffer])[0]), "hello");
    waiting.destroy();
    const { code, stderr } = await command.interrupt();
    assert.equal(code, 0);
    assert.match(stderr, /connected again/);
  });
});

async function drained(socket: Socket, onBytes: (bytes: number) => void): Promise<void> {
  socket.on("data", (chunk: Buffer) => onBytes(chunk.length));
  await once(socket, "end");
  socket.destroy();
}
