// `understudy steal` in a process of its own, between an agent that does what the test says and a real HTTP server.

import assert from "node:assert/strict";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import type { ClientMessage, HttpHeaders, InternalHttpBodyFrame } from "@understudy/protocol";
import { bodyOf, data, FakeAgent, type FakePeer, startV2 } from "@understudy/client/testing";
import { finished, runCommand, startCommand } from "../../testing/runCommand.ts";

type Steal = Extract<ClientMessage, { kind: "tcpSteal" }>["value"];

class Listening implements AsyncDisposable {
  readonly #server: Server | TcpServer;

  private constructor(server: Server | TcpServer) {
    this.#server = server;
  }

  static async http(listener: RequestListener): Promise<Listening> {
    return await Listening.on(createServer(listener));
  }

  static async on(server: Server | TcpServer): Promise<Listening> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Listening(server);
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if ("closeAllConnections" in this.#server) this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A command that has subscribed to port 80; its output is gathered from the beginning. */
async function stealing(agent: FakeAgent, to: string, ...more: readonly string[]) {
  const accepted = agent.accept();
  const child = startCommand("steal", "80", "--to", to, "--agent", `127.0.0.1:${agent.port}`, ...more);
  const result = finished(child);
  const peer = await accepted;
  await peer.handshake();
  const subscribe = await stealMessage(peer);
  assert.ok(subscribe.kind === "portSubscribe");
  const started = more.includes("--json") ? once(child.stderr, "data") : once(child.stdout, "data");
  peer.send({ kind: "tcpSteal", value: { kind: "subscribeResult", value: { kind: "ok", value: 80 } } });
  await started;
  return { child, peer, result, stealType: subscribe.value };
}

/** Ends the command as Ctrl-C does. */
async function interrupt(child: ChildProcessWithoutNullStreams, peer: FakePeer): Promise<void> {
  child.kill("SIGINT");
  assert.deepEqual(await stealMessage(peer), { kind: "portUnsubscribe", value: 80 });
  await peer.expect("ping");
  peer.send({ kind: "pong" });
  await peer.expect("close");
}

const stealMessage = async (peer: FakePeer): Promise<Steal> => (await peer.expect("tcpSteal")).value;
const header = (headers: HttpHeaders, name: string): string | undefined =>
  headers
    .find(([one]) => one === name)?.[1]
    .map((value) => Buffer.from(value).toString("latin1"))
    .join();

/** A whole response, whatever its form. */
async function response(peer: FakePeer): Promise<{ kind: string; status: number; headers: HttpHeaders; frames: InternalHttpBodyFrame[] }> {
  const first = await stealMessage(peer);
  if (first.kind === "httpResponse") {
    const { status, headers, body } = first.value.internalResponse;
    return { kind: "plain", status, headers, frames: [{ kind: "data", value: body }] };
  }
  if (first.kind === "httpResponseFramed") {
    const { status, headers, body } = first.value.internalResponse;
    return { kind: "framed", status, headers, frames: [...body] };
  }
  assert.ok(first.kind === "httpResponseChunked" && first.value.kind === "start");
  const { status, headers, body } = first.value.value.internalResponse;
  const frames = [...body];
  for (;;) {
    const next = await stealMessage(peer);
    assert.ok(next.kind === "httpResponseChunked" && next.value.kind === "body");
    frames.push(...next.value.value.frames);
    if (next.value.value.isLast) return { kind: "chunked", status, headers, frames };
  }
}

const bytesOf = (frames: readonly InternalHttpBodyFrame[]): Buffer =>
  Buffer.concat(frames.flatMap((frame) => (frame.kind === "data" ? [frame.value] : [])));

const rawHeaders = (...pairs: readonly [string, string][]): HttpHeaders =>
  pairs.map(([name, value]) => [name, [Buffer.from(value, "latin1")]]);

suite("understudy steal", () => {
  test("has requests answered, prints a line for each, and ends with Ctrl-C", async () => {
    await using agent = await FakeAgent.start();
    await using server = await Listening.http((request, answer) => {
      void text(request).then((body) => {
        answer.writeHead(request.method === "POST" ? 201 : 404, {
          "x-seen": JSON.stringify(request.rawHeaders),
          "set-cookie": ["a=1", "b=2"],
        });
        answer.end(`${request.method} ${request.url} ${body}`);
      });
    });
    const { child, peer, result, stealType } = await stealing(agent, server.address, "--header", "^x-user: me$", "--path", "^/a");
    assert.deepEqual(stealType, {
      kind: "filteredHttpEx",
      value: [
        80,
        {
          kind: "composite",
          value: {
            all: true,
            filters: [
              { kind: "header", value: "^x-user: me$" },
              { kind: "path", value: "^/a" },
            ],
          },
        },
      ],
    });
    const headers = rawHeaders(
      ["host", "app"],
      ["x-latin", "caf\u00e9"],
      ["connection", "x-drop"],
      ["x-drop", "1"],
      ["content-length", "5"],
    );
    peer.send(startV2(0, { method: "POST", uri: "/a?b=%20", headers, frames: [data("hello")] }));
    const created = await response(peer);
    assert.deepEqual([created.kind, created.status], ["framed", 201]);
    assert.equal(bytesOf(created.frames).toString(), "POST /a?b=%20 hello");
    const seen = JSON.parse(header(created.headers, "x-seen") ?? "") as string[];
    assert.deepEqual(seen.slice(0, 6), ["host", "app", "x-latin", "caf\u00e9", "content-length", "5"]);
    assert.equal(header(created.headers, "set-cookie"), "a=1,b=2");
    assert.equal(header(created.headers, "connection"), undefined);
    // HTTP/2 peers have no host header, and no length.
    peer.send(
      startV2(1, { method: "PUT", uri: "http://app.test/abs", frames: [data("up")], isLast: false }),
      bodyOf(1, [data("load")]),
      bodyOf(1, [], true),
    );
    const missing = await response(peer);
    assert.equal(bytesOf(missing.frames).toString(), "PUT /abs upload");
    assert.deepEqual((JSON.parse(header(missing.headers, "x-seen") ?? "") as string[]).slice(0, 4), [
      "host",
      "app.test",
      "transfer-encoding",
      "chunked",
    ]);
    await interrupt(child, peer);
    const { code, stdout, stderr } = await result;
    const lines = stdout.split("\n");
    assert.equal(lines[0], `stealing requests with header ^x-user: me$ and path ^/a of port 80 for ${server.address}; Ctrl-C ends it`);
    assert.match(lines[1] ?? "", /^POST {3}\/a\?b=%20 {2}201 {2}[\d.]+ ms {2}19 B$/);
    assert.match(lines[2] ?? "", /^PUT {4}http:\/\/app\.test\/abs {2}404 {2}[\d.]+ ms {2}15 B$/);
    assert.match(lines[3] ?? "", /^stolen: 2 requests \(1 2xx, 1 4xx\), p50 [\d.]+ ms, p99 [\d.]+ ms, 0 connections$/);
    assert.deepEqual([code, stderr], [0, ""]);
  });

  test("streams bodies and trailers both ways", async () => {
    await using agent = await FakeAgent.start();
    await using server = await Listening.http((request, answer) => {
      answer.writeHead(200, { trailer: "x-sum" });
      answer.flushHeaders();
      request.on("data", (chunk: Buffer) => answer.write(chunk));
      request.on("end", () => {
        answer.addTrailers({ "x-sum": JSON.stringify(request.trailers) });
        answer.end();
      });
    });
    const { child, peer, result } = await stealing(agent, server.address);
    peer.send(startV2(0, { method: "POST", headers: rawHeaders(["host", "a"]), frames: [data("one")], isLast: false }));
    const start = await stealMessage(peer);
    assert.ok(start.kind === "httpResponseChunked" && start.value.kind === "start");
    // The answer is on its way before the request has ended.
    peer.send(bodyOf(0, [data("two")]), bodyOf(0, [{ kind: "trailers", value: rawHeaders(["x-end", "9"]) }]), bodyOf(0, [], true));
    const frames = [...start.value.value.internalResponse.body];
    for (let isLast = false; !isLast;) {
      const next = await stealMessage(peer);
      assert.ok(next.kind === "httpResponseChunked" && next.value.kind === "body");
      frames.push(...next.value.value.frames);
      ({ isLast } = next.value.value);
    }
    assert.equal(bytesOf(frames).toString(), "onetwo");
    const last = frames.at(-1);
    assert.ok(last?.kind === "trailers" && header(last.value, "x-sum") === '{"x-end":"9"}');
    await interrupt(child, peer);
    assert.equal((await result).code, 0);
  });

  test("a server that cannot be reached gives 502 with the reason; --json prints objects", async () => {
    await using agent = await FakeAgent.start();
    const server = await Listening.http(() => undefined);
    const { address } = server;
    await server[Symbol.asyncDispose]();
    const { child, peer, result, stealType } = await stealing(agent, address, "--json");
    assert.deepEqual(stealType, { kind: "all", value: 80 });
    peer.send(startV2(0, { uri: "/x" }), startV2(1, { method: "CONNECT", uri: "a:1" }));
    const answers = [await response(peer), await response(peer)];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [502, 502],
    );
    const bodies = answers.map(({ frames }) => bytesOf(frames).toString()).join("");
    assert.match(bodies, new RegExp(`the request was stolen, but ${address} did not answer it: connect ECONNREFUSED`));
    assert.match(bodies, /CONNECT is not forwarded/);
    await interrupt(child, peer);
    const { code, stdout, stderr } = await result;
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const refused = lines.find(({ path }) => path === "/x");
    assert.deepEqual([refused?.["kind"], refused?.["method"], refused?.["status"]], ["request", "GET", 502]);
    assert.match(String(refused?.["error"]), /ECONNREFUSED/);
    assert.deepEqual([code, lines.length], [0, 3]);
    const { kind, requests, failed, byStatus } = lines[2] ?? {};
    assert.deepEqual({ kind, requests, failed, byStatus }, { kind: "summary", requests: 2, failed: 2, byStatus: { "5xx": 2 } });
    assert.match(stderr, /^understudy: stealing everything of port 80 .*\n$/);
  });

  test("a server that breaks off in the middle breaks the response off", async () => {
    await using agent = await FakeAgent.start();
    const breakOff = Promise.withResolvers<void>();
    await using server = await Listening.http((request, answer) => {
      answer.writeHead(200, { "content-length": "100" });
      answer.write("part");
      breakOff.promise.then(() => request.socket.destroy(), assert.ifError);
    });
    const { child, peer, result } = await stealing(agent, server.address);
    peer.send(startV2(0));
    const kinds: string[] = [];
    for (;;) {
      const message = await stealMessage(peer);
      assert.ok(message.kind === "httpResponseChunked");
      kinds.push(message.value.kind);
      breakOff.resolve();
      if (message.value.kind === "error") break;
    }
    assert.equal(kinds[0], "start");
    await interrupt(child, peer);
    assert.match(
      (await result).stdout,
      /GET {4}\/ {2}200 {2}[\d.]+ ms {2}4 B {2}aborted\nstolen: 1 request .*, 0 connections, 1 failed\n$/,
    );
  });

  test("joins raw connections with the server, each direction for itself", async () => {
    await using agent = await FakeAgent.start();
    const tcp = createTcpServer({ allowHalfOpen: true }, (socket) => {
      void text(socket).then((received) => socket.end(`got ${received}`));
    });
    await using server = await Listening.on(tcp);
    const { child, peer, result } = await stealing(agent, server.address);
    const raw = (bytes: string) =>
      ({ kind: "tcpSteal", value: { kind: "data", value: { connectionId: 0, bytes: Buffer.from(bytes) } } }) as const;
    peer.send(
      {
        kind: "tcpSteal",
        value: {
          kind: "newConnectionV2",
          value: {
            connection: { connectionId: 0, remoteAddress: "10.0.0.9", destinationPort: 80, sourcePort: 5000, localAddress: "10.0.0.1" },
            transport: { kind: "tcp" },
          },
        },
      },
      raw("hello"),
      raw(""),
    );
    let received = "";
    for (;;) {
      const message = await stealMessage(peer);
      assert.ok(message.kind === "data");
      if (message.value.bytes.length === 0) break;
      received += Buffer.from(message.value.bytes).toString();
    }
    assert.equal(received, "got hello");
    peer.send({ kind: "tcpSteal", value: { kind: "close", value: { connectionId: 0 } } });
    await interrupt(child, peer);
    assert.match((await result).stdout, /\nTCP {4}10\.0\.0\.9:5000 {2}5 B in {2}9 B out\nstolen: 0 requests, 1 connection\n$/);
  });

  test("an agent that cannot be reached, refuses or goes away is named, with 1", async () => {
    await using agent = await FakeAgent.start();
    const address = `127.0.0.1:${agent.port}`;
    const arguments_ = ["steal", "80", "--to", "127.0.0.1:9", "--agent", address, "--path", "(?<a"];
    const refusing = agent.accept().then(async (peer) => {
      await peer.handshake();
      await stealMessage(peer);
      peer.send({ kind: "close", value: "Failed to parse the given HTTP filter: \n    (?<a\n  ^ \u001b[31mopen" });
    });
    const refused = await runCommand(arguments_);
    await refusing;
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.equal(refused.stderr, "understudy: the agent closed the session: Failed to parse the given HTTP filter: (?<a ^ \\x1b[31mopen\n");

    await agent[Symbol.asyncDispose]();
    const unreachable = await runCommand(arguments_);
    assert.equal(unreachable.code, 1);
    assert.match(unreachable.stderr, new RegExp(`^understudy: cannot open a session with the agent at ${address}: connect ECONNREFUSED`));
  });

  test("a port that another session has is 1, with what to do; one of several that is lost later leaves the others", async () => {
    await using agent = await FakeAgent.start();
    const taken = (port: number) =>
      ({
        kind: "tcpSteal",
        value: { kind: "subscribeResult", value: { kind: "err", value: { kind: "portAlreadyStolen", value: port } } },
      }) as const;
    const refusing = agent.accept().then(async (peer) => {
      await peer.handshake();
      await stealMessage(peer);
      peer.send(taken(80));
    });
    const refused = await runCommand(["steal", "80:3000", "--agent", `127.0.0.1:${agent.port}`]);
    await refusing;
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.equal(refused.stderr, "understudy: port 80 is stolen by another session: end that one first, or choose another port\n");

    const accepted = agent.accept();
    const child = startCommand("steal", "80:3000", "81:3001", "--agent", `127.0.0.1:${agent.port}`);
    const result = finished(child);
    const peer = await accepted;
    await peer.handshake();
    for (const port of [80, 81]) {
      await stealMessage(peer);
      peer.send({ kind: "tcpSteal", value: { kind: "subscribeResult", value: { kind: "ok", value: port } } });
    }
    await once(child.stdout, "data");
    const next = agent.accept();
    peer.socket.destroy();
    const again = await next;
    await again.handshake();
    await stealMessage(again);
    again.send(taken(80));
    await stealMessage(again);
    again.send(
      { kind: "tcpSteal", value: { kind: "subscribeResult", value: { kind: "ok", value: 81 } } },
      startV2(0, { port: 81, uri: "/on" }),
    );
    assert.equal((await response(again)).status, 502);
    child.kill("SIGINT");
    assert.deepEqual(await stealMessage(again), { kind: "portUnsubscribe", value: 81 });
    await again.expect("ping");
    again.send({ kind: "pong" });
    const { code, stdout, stderr } = await result;
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^stealing everything of port 80 for localhost:3000, port 81 for localhost:3001; Ctrl-C ends it\n:81 {2}GET {4}\/on {2}502 /,
    );
    assert.match(stderr, /connecting again\n.*port 80 is stolen by another session: end that one first/);
  });

  test("Ctrl-C ends the wait for an agent that has gone", async () => {
    const agent = await FakeAgent.start();
    const { child, result } = await stealing(agent, "127.0.0.1:9");
    const failed = new Promise<void>((resolve) => {
      child.stderr.on("data", (text: Buffer) => {
        if (text.includes("trying again")) resolve();
      });
    });
    await agent[Symbol.asyncDispose]();
    await failed;
    child.kill("SIGINT");
    const { code, stderr } = await result;
    assert.equal(code, 0);
    assert.match(stderr, /; connecting again\nunderstudy: cannot open a session with the agent at .*; trying again\n/);
  });

  test("wrong arguments are 2, with a word on what is wrong", async () => {
    const good = ["--to", "localhost:1", "--agent", "localhost:2"];
    const wrong: [string[], RegExp][] = [
      [["steal", "0", ...good], /A port is a number from 1 to 65535/],
      [["steal", "http", ...good], /A port is a number from 1 to 65535/],
      [["steal", "80", "--to", "3000", "--agent", "a:1"], /It needs a host too/],
      [["steal", "80", "--to", "::1:80", "--agent", "a:1"], /brackets/],
      [["steal", ...good], /missing required argument 'ports'/],
      [["steal", "80", "80:81", ...good.slice(2)], /Port 80 is there already/],
      [["steal", "80:1:2", ...good.slice(2)], /PORT or PORT:LOCAL/],
      [["steal", "80", "81", ...good], /--to HOST:PORT is for one port/],
      [["steal", "80:90", ...good], /there are two ports for port 80/],
      [["steal", "80", ...good, "--path", "(a"], /no regular expression: unterminated group/],
      [["steal", "80", ...good, "--method", "GE T"], /It is no method/],
      [["steal", "80", ...good, "--json-body", "user"], /QUERY=REGEX/],
      [["steal", "80", ...good, "--any-of", "--all-of"], /cannot be used with/],
    ];
    for (const [args, reason] of wrong) {
      const { code, stdout, stderr } = await runCommand(args);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, reason);
    }
  });
});
