// `understudy socks` in a process of its own, through a real agent: with curl, and byte by byte.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import fc from "fast-check";
import { Listening } from "./listening.ts";
import { freePort, TargetlessAgent } from "./targetlessAgent.ts";
import { RunningCommand, understudy } from "./understudy.ts";

const run = promisify(execFile);

const curlSkipReason = await run("curl", ["--version"]).then(
  () => false,
  () => (process.env["CI"] === undefined ? "needs curl" : false),
);

/** A client that is written and read by hand. */
class RawClient implements Disposable {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #hasEnded = false;
  #onChange: () => void = () => undefined;

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    const ended = (): void => {
      this.#hasEnded = true;
      this.#onChange();
    };
    this.socket
      .on("error", () => undefined)
      .on("end", ended)
      .on("close", ended);
    this.socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#onChange();
    });
  }

  send(...bytes: readonly (number | Uint8Array)[]): void {
    this.socket.write(Buffer.concat(bytes.map((part) => (typeof part === "number" ? Buffer.of(part) : part))));
  }

  async take(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      if (this.#hasEnded) throw new Error(`the server ended after ${this.#received.toString("hex")}`);
      await new Promise<void>((resolve) => (this.#onChange = resolve));
    }
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  /** All that comes until the server ends. */
  async rest(): Promise<Buffer> {
    while (!this.#hasEnded) await new Promise<void>((resolve) => (this.#onChange = resolve));
    return this.#received;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Answers only when the client has ended its direction. */
async function echoAtEnd(socket: Socket): Promise<void> {
  socket.end(`got ${await text(socket)}`);
}

const port2 = (port: number): Buffer => Buffer.of(port >> 8, port & 0xff);
const name = (text: string): Buffer => Buffer.concat([Buffer.of(3, text.length), Buffer.from(text, "latin1")]);
const loopback = Buffer.of(1, 127, 0, 0, 1);

suite("understudy socks", { timeout: 120_000 }, () => {
  let agent: TargetlessAgent;
  let command: RunningCommand;
  let port: number;
  before(async () => {
    agent = await TargetlessAgent.start();
    command = new RunningCommand(["socks", "0", "--agent", agent.address, "--json"]);
    port = await command.port();
  });
  after(async () => {
    await command[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
  });

  test("curl connects by a name that the proxy looks up", { skip: curlSkipReason }, async () => {
    await using server = await Listening.on(createHttpServer((request, answer) => answer.end(`hello ${request.url}`)));
    const { stdout } = await run("curl", [
      "-sS",
      "--noproxy",
      "",
      "--socks5-hostname",
      `127.0.0.1:${port}`,
      `http://localhost:${server.port}/x`,
    ]);
    assert.equal(stdout, "hello /x");
    await command.output(new RegExp(`"to":"localhost:${server.port}"`));
    const refused = run("curl", ["-sS", "--noproxy", "", "--socks5", `127.0.0.1:${port}`, `http://127.0.0.1:${await freePort()}/`]);
    await assert.rejects(refused, { code: 97 });
  });

  test("bytes that come before the answer reach the server, and each end is passed on", async () => {
    await using server = await Listening.on(createServer({ allowHalfOpen: true }, (socket) => void echoAtEnd(socket)));
    using client = new RawClient(port);
    client.send(5, 1, 0, 5, 1, 0, loopback, port2(server.port), Buffer.from("early"));
    client.socket.end();
    assert.deepEqual([...(await client.take(2))], [5, 0]);
    assert.deepEqual([...(await client.take(4))], [5, 0, 0, 1]);
    const bound = await client.take(6);
    assert.deepEqual([...bound.subarray(0, 4)], [127, 0, 0, 1]);
    assert.equal(String(await client.rest()), "got early");
  });

  test("a request that comes byte by byte", async () => {
    await using server = await Listening.on(createServer((socket) => socket.end("in")));
    using client = new RawClient(port);
    client.socket.setNoDelay(true);
    for (const byte of [5, 1, 0, 5, 1, 0, ...name("localhost"), ...port2(server.port)]) {
      client.send(byte);
      await sleep(2);
    }
    assert.match(String(await client.rest()), /in$/);
  });

  test("IPv6 addresses", async () => {
    const server = createServer((socket) => socket.end("six"));
    server.listen(0, "::1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(address !== null && typeof address !== "string");
    using client = new RawClient(port);
    client.send(5, 1, 0, 5, 1, 0, 4, Buffer.alloc(15), 1, port2(address.port));
    assert.deepEqual([...(await client.take(6))], [5, 0, 5, 0, 0, 4]);
    await client.take(18);
    assert.equal(String(await client.rest()), "six");
    server.close();
  });

  test("refusals have the codes of RFC 1928", async () => {
    const closed = await freePort();
    const cases: readonly (readonly [what: string, request: readonly (number | Uint8Array)[], code: number])[] = [
      ["BIND", [5, 2, 0, loopback, port2(80)], 7],
      ["an unknown command", [5, 9, 0, loopback, port2(80)], 7],
      ["an unknown address type", [5, 1, 0, 2, port2(80)], 8],
      ["a refused connection", [5, 1, 0, loopback, port2(closed)], 5],
      ["a name that there is not", [5, 1, 0, name("no-such-name.invalid"), port2(80)], 4],
      ["port 0", [5, 1, 0, loopback, port2(0)], 1],
      ["a reserved byte", [5, 1, 1, loopback, port2(80)], 1],
      ["a name without characters", [5, 1, 0, 3, 0, port2(80)], 1],
      ["a name with a NUL", [5, 1, 0, name("a\0b"), port2(80)], 1],
    ];
    for (const [what, request, code] of cases) {
      using client = new RawClient(port);
      client.send(5, 1, 0, ...request);
      assert.deepEqual([...(await client.rest())], [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], what);
    }
  });

  test("other protocols are left without an answer, and the user is told what they look like", async () => {
    for (const bytes of [Buffer.of(4, 1, 0, 80, 127, 0, 0, 1, 0), Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
      using client = new RawClient(port);
      client.send(bytes);
      assert.equal((await client.rest()).length, 0);
    }
    await command.output(/speaks SOCKS 4/);
    await command.output(/understudy http-proxy/);
  });

  test("only ways to identify itself that are not known", async () => {
    using client = new RawClient(port);
    client.send(5, 2, 1, 2);
    assert.deepEqual([...(await client.rest())], [5, 0xff]);
  });

  test("no bytes stop the server", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 }), async (writes) => {
        using client = new RawClient(port);
        // Version and methods are right often enough to get further.
        client.send(5, 1, 0, 5, ...writes);
        client.socket.end();
        await client.rest();
      }),
      { numRuns: 60 },
    );
    await using server = await Listening.on(createServer((socket) => socket.end("still here")));
    using client = new RawClient(port);
    client.send(5, 1, 0, 5, 1, 0, loopback, port2(server.port));
    assert.match(String(await client.rest()), /still here$/);
  });

  test("datagrams go out with their header off and come back with one", async () => {
    const echo = createSocket("udp4").bind(0, "127.0.0.1");
    await once(echo, "listening");
    echo.on("message", (bytes, { port: from, address }) => echo.send(Buffer.concat([Buffer.from("re: "), bytes]), from, address));
    using client = new RawClient(port);
    client.send(5, 1, 0, 5, 3, 0, 1, Buffer.alloc(6));
    assert.deepEqual([...(await client.take(2))], [5, 0]);
    const bound = await client.take(10);
    assert.deepEqual([...bound.subarray(0, 8)], [5, 0, 0, 1, 127, 0, 0, 1]);
    const relayPort = bound.readUInt16BE(8);
    const [mine, stranger] = [createSocket("udp4"), createSocket("udp4")];
    const target = port2(echo.address().port);
    const answered = once(mine, "message") as Promise<[Buffer]>;
    // A fragment, cut off ones, an empty one: all dropped.
    const dropped = [
      Buffer.of(0, 0, 1, ...loopback, ...target, 1),
      Buffer.of(0, 0, 0),
      Buffer.of(0, 0, 0, 3, 200, 1),
      Buffer.of(0, 0, 0, ...loopback, ...target),
    ];
    for (const bytes of dropped) mine.send(bytes, relayPort, "127.0.0.1");
    mine.send(Buffer.concat([Buffer.alloc(3), name("localhost"), target, Buffer.from("ping")]), relayPort, "127.0.0.1");
    const [reply] = await answered;
    assert.deepEqual(reply, Buffer.concat([Buffer.alloc(3), loopback, target, Buffer.from("re: ping")]));
    // From another port: not the client's.
    let others = 0;
    stranger.on("message", () => (others += 1));
    stranger.send(Buffer.concat([Buffer.alloc(3), loopback, target, Buffer.from("x")]), relayPort, "127.0.0.1");
    const again = once(mine, "message") as Promise<[Buffer]>;
    mine.send(Buffer.concat([Buffer.alloc(3), loopback, target, Buffer.from("again")]), relayPort, "127.0.0.1");
    assert.match(String((await again)[0]), /re: again$/);
    assert.equal(others, 0);
    // The end of the connection ends the association.
    client.socket.end();
    await command.output(/"transport":"udp"/);
    for (const socket of [echo, mine, stranger]) socket.close();
  });

  test("with a user name and a password", async () => {
    await using guarded = new RunningCommand(["socks", "0", "--user", "me:secret", "--agent", agent.address]);
    const guardedPort = await guarded.port();
    await using server = await Listening.on(createServer((socket) => socket.end("in")));
    const request = [5, 1, 0, loopback, port2(server.port)] as const;
    const given = (password: string): Buffer => Buffer.of(1, 2, ...Buffer.from("me"), password.length, ...Buffer.from(password));
    const answer = async (...bytes: readonly (number | Uint8Array)[]): Promise<Buffer> => {
      using client = new RawClient(guardedPort);
      client.send(...bytes);
      return await client.rest();
    };
    assert.match(String(await answer(5, 2, 0, 2, given("secret"), ...request)), /in$/);
    assert.deepEqual([...(await answer(5, 1, 2, given("wrong"), ...request))], [5, 2, 1, 1]);
    assert.deepEqual([...(await answer(5, 1, 0, ...request))], [5, 0xff]);
    const { stdout, stderr } = await guarded.interrupt();
    assert.doesNotMatch(stdout + stderr, /secret|wrong"/);
  });

  test("wrong arguments", async () => {
    for (const args of [["x"], ["0", "--user", "me"], ["0", "--user", ":x"], ["70000"]]) {
      const { code, stderr } = await understudy(["socks", ...args, "--agent", agent.address]);
      assert.equal(code, 2, stderr);
    }
    const { code, stderr } = await understudy(["socks", "0", "--listen", "192.0.2.1", "--agent", agent.address]);
    assert.deepEqual([code, stderr], [1, "understudy: 192.0.2.1 is no address of this machine\n"]);
  });
});
