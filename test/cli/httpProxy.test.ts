// `understudy http-proxy` in a process of its own, through a real agent: with curl, and with requests that curl would not make.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type RequestListener, type ServerResponse } from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { Listening } from "./listening.ts";
import { freePort, TargetlessAgent } from "./targetlessAgent.ts";
import { RunningCommand, understudy } from "./understudy.ts";

const run = promisify(execFile);

const curlSkipReason = await run("curl", ["--version"]).then(
  () => false,
  () => (process.env["CI"] === undefined ? "needs curl" : false),
);

/** Answers with the request as it came. */
const mirror: RequestListener = (incoming, answer) => void mirrorRequest(incoming, answer);

async function mirrorRequest(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  const { method, url, rawHeaders } = incoming;
  answer.writeHead(200, { "Content-Type": "application/json", Connection: "x-drop, keep-alive", "X-Drop": "1", "X-Keep": "1" });
  answer.end(JSON.stringify({ method, url, rawHeaders, body: await text(incoming) }));
}

/** Answers only when the client has ended its direction. */
async function echoAtEnd(socket: Socket): Promise<void> {
  socket.end(`got ${await text(socket)}`);
}

interface Mirrored {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

suite("understudy http-proxy", { timeout: 120_000 }, () => {
  let agent: TargetlessAgent;
  let command: RunningCommand;
  let port: number;
  before(async () => {
    agent = await TargetlessAgent.start();
    command = new RunningCommand(["http-proxy", "0", "--agent", agent.address, "--json"]);
    port = await command.port();
  });
  after(async () => {
    await command[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
  });

  const curl = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run("curl", ["-sS", "--noproxy", "", "--max-time", "10", "--proxy", `http://127.0.0.1:${port}`, ...args]);
    return stdout;
  };

  /** All that the proxy answers to these bytes. */
  const raw = async (bytes: string): Promise<string> => {
    const socket = connect(port, "127.0.0.1");
    socket.write(bytes);
    return await text(socket);
  };

  test("curl gets, posts, and uploads in chunks", { skip: curlSkipReason }, async () => {
    await using server = await Listening.on(createServer(mirror));
    const url = `http://localhost:${server.port}/a%20b?c=d`;
    const got = JSON.parse(await curl(url)) as Mirrored;
    assert.deepEqual([got.method, got.url, got.body], ["GET", "/a%20b?c=d", ""]);
    assert.equal(got.rawHeaders[1], `localhost:${server.port}`);
    const body = "x".repeat(100_000);
    const posted = JSON.parse(await curl("--data", body, url)) as Mirrored;
    assert.deepEqual([posted.method, posted.body.length], ["POST", body.length]);
    const chunked = JSON.parse(await curl("--header", "Transfer-Encoding: chunked", "--data", body, url)) as Mirrored;
    assert.deepEqual(chunked.body.length, body.length);
    await command.output(new RegExp(`"transport":"http"[^\n]*"to":"localhost:${server.port}","sent":100000`));
  });

  test("curl tunnels", { skip: curlSkipReason }, async () => {
    await using server = await Listening.on(createServer(mirror));
    const got = JSON.parse(await curl("--proxytunnel", `http://localhost:${server.port}/t`)) as Mirrored;
    assert.equal(got.url, "/t");
    await command.output(new RegExp(`"transport":"tcp"[^\n]*"to":"localhost:${server.port}"`));
  });

  test("headers of one connection stay behind, both ways", async () => {
    await using server = await Listening.on(createServer(mirror));
    const target = `http://127.0.0.1:${server.port}/`;
    const headers = [
      "Host: other",
      "X-Mine: 1",
      "Connection: close, x-hop",
      "X-Hop: 1",
      "Proxy-Authorization: secret",
      "Proxy-Connection: keep-alive",
      "TE: gzip",
    ];
    const answer = await raw(`GET ${target} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
    const mirrored = JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)) as Mirrored;
    assert.deepEqual(mirrored.rawHeaders, ["Host", `127.0.0.1:${server.port}`, "X-Mine", "1", "Connection", "keep-alive"]);
    assert.match(answer, /X-Keep: 1/);
    assert.doesNotMatch(answer, /X-Drop/);
  });

  test("connections are kept, on both sides", async () => {
    await using server = await Listening.on(createServer(mirror));
    const accepted = new Set<number | undefined>();
    using client = disposable(new Agent({ keepAlive: true, maxSockets: 1 }));
    for (let i = 0; i < 3; i++) {
      const outgoing = request({ port, agent: client.agent, path: `http://127.0.0.1:${server.port}/${i}` }).end();
      const [response] = (await once(outgoing, "response")) as [IncomingMessage];
      assert.equal(outgoing.reusedSocket, i > 0);
      await text(response);
      for (const socket of server.sockets) accepted.add(socket.remotePort);
      await new Promise(setImmediate);
    }
    assert.equal(accepted.size, 1);
  });

  test("a response goes through as it comes, and breaks off where its server does", async () => {
    const { promise: goOn, resolve } = Promise.withResolvers<void>();
    await using server = await Listening.on(
      createServer((_, answer) => {
        answer.write("first");
        void goOn.then(() => answer.destroy());
      }),
    );
    const outgoing = request({ port, path: `http://127.0.0.1:${server.port}/` }).end();
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    assert.equal(String(((await once(response, "data")) as [Buffer])[0]), "first");
    resolve();
    const [error] = (await once(response, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNRESET");
  });

  test("a client that leaves ends the request at the server", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    await using server = await Listening.on(
      createServer((incoming, answer) => {
        incoming.once("close", resolve);
        answer.write("first");
      }),
    );
    const outgoing = request({ port, path: `http://127.0.0.1:${server.port}/` }).end();
    await once(outgoing, "response");
    outgoing.destroy();
    await left;
  });

  test("what cannot be reached is a 502 with the reason, by both ways", async () => {
    const closed = await freePort();
    for (const line of [`GET http://127.0.0.1:${closed}/ HTTP/1.1`, `CONNECT 127.0.0.1:${closed} HTTP/1.1`]) {
      const answer = await raw(`${line}\r\nHost: x\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
      assert.match(answer, /understudy: connect to 127\.0\.0\.1:\d+: ECONNREFUSED \(connection refused\)\n$/);
    }
    assert.match(await raw("GET http://no-such-name.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n"), /502 [^]*look up no-such-name\.invalid/);
  });

  test("what is no request of a proxy is refused", async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 [^]*not a server/],
      ["GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 [^]*by CONNECT/],
      ["GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 [^]*ftp: does not go/],
      ["CONNECT nowhere HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 400 [^]*HOST:PORT/],
      ["nonsense\r\n\r\n", /^HTTP\/1\.1 400 /],
    ];
    for (const [bytes, expected] of cases) assert.match(await raw(bytes), expected);
  });

  test("bytes that come with the request for a tunnel are the tunnel's", async () => {
    await using server = await Listening.on(createTcpServer({ allowHalfOpen: true }, (socket) => void echoAtEnd(socket)));
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: x\r\n\r\nearly`);
    assert.match(await text(socket), /^HTTP\/1\.1 200 [^]*\r\n\r\ngot early$/);
  });

  test("a response breaks off with the agent, and the next request goes through the next one", async () => {
    const agentPort = await freePort();
    const first = await TargetlessAgent.start({ port: agentPort });
    await using lasting = new RunningCommand(["http-proxy", "0", "--agent", first.address]);
    const proxyPort = await lasting.port();
    await using server = await Listening.on(createServer((_, answer) => void answer.write("first")));
    const ask = async (): Promise<IncomingMessage> => {
      const outgoing = request({ port: proxyPort, path: `http://127.0.0.1:${server.port}/`, agent: false }).end();
      return ((await once(outgoing, "response")) as [IncomingMessage])[0];
    };
    const response = await ask();
    await once(response, "data");
    const broken = once(response, "error");
    await first.kill();
    await broken;
    const waiting = ask();
    await using _second = await TargetlessAgent.start({ port: agentPort });
    (await waiting).destroy();
    const { code, stderr } = await lasting.interrupt();
    assert.equal(code, 0);
    assert.match(stderr, /connecting again/);
  });

  test("wrong arguments, and a port that is in use", async () => {
    assert.equal((await understudy(["http-proxy", "x", "--agent", agent.address])).code, 2);
    const { code, stderr } = await understudy(["http-proxy", String(port), "--agent", agent.address]);
    assert.equal(code, 1);
    assert.match(stderr, /in use on this machine/);
  });
});

function disposable(agent: Agent): Disposable & { readonly agent: Agent } {
  return { agent, [Symbol.dispose]: () => agent.destroy() };
}
