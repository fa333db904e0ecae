// What peers, the target and clients see of redirected traffic. Through whole sessions, since the promises depend on them.

import assert from "node:assert/strict";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { HttpHeaders } from "@understudy/protocol";
import { GET, nextStart, nextSteal } from "./incomingActorsFixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

/** A raw target that records what it gets and answers each request line by a fixed response. */
function recordingTarget(response = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntarget"): {
  server: ReturnType<typeof createServer>;
  received: () => string;
  connections: () => number;
} {
  let text = "";
  let count = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    count += 1;
    let here = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      here += chunk.toString("latin1");
      for (let end = here.indexOf("\r\n\r\n"); end >= 0; end = here.indexOf("\r\n\r\n")) {
        here = here.slice(end + 4);
        socket.write(response);
      }
    });
    socket.on("end", () => socket.end());
    socket.on("error", () => undefined);
  });
  return { server, received: () => text, connections: () => count };
}

const textHeaders = (headers: HttpHeaders): [string, string[]][] =>
  headers.map(([name, values]) => [name, values.map((value) => Buffer.from(value).toString())]);

function respond(client: Client, connectionId: number | bigint, port: number, body: string, status = 200, headers: HttpHeaders = []): void {
  client.send({
    kind: "tcpSteal",
    value: {
      kind: "httpResponseFramed",
      value: {
        port,
        connectionId,
        requestId: 0,
        internalResponse: { status, version: "HTTP/1.1", headers, body: [{ kind: "data", value: Buffer.from(body) }] },
      },
    },
  });
}

test("a request that a filter matches goes to the client, and every other one to the target, on one connection", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();

  peer.write(GET("/a?b=c", "X-User: me", "Cookie: one", "Cookie: two"));
  const start = await nextStart(client);
  assert.equal(start.request.method, "GET");
  assert.equal(start.request.uri, "/a?b=c");
  assert.deepEqual(textHeaders(start.request.headers), [
    ["host", ["shop"]],
    ["x-user", ["me"]],
    ["cookie", ["one", "two"]],
  ]);
  assert.deepEqual(start.request.body, { frames: [], isLast: true });
  assert.deepEqual(start.metadata.value.destination, { ip: "127.0.0.1", port: pod.port });
  respond(client, start.connectionId, pod.port, "from me", 201);
  const stolen = await peer.until((text) => text.endsWith("from me"));
  assert.match(stolen, /^HTTP\/1\.1 201 Created\r\n/);
  assert.deepEqual(await nextSteal(client), { kind: "close", value: { connectionId: 0 } });

  peer.write(GET("/other", "X-User: you"));
  await peer.until((text) => text.endsWith("target"));
  assert.equal(target.received(), GET("/other", "X-User: you"));

  peer.write(GET("/again", "x-USER: me"));
  const second = await nextStart(client);
  assert.equal(second.connectionId, 1);
  respond(client, second.connectionId, pod.port, "again");
  await peer.until((text) => text.endsWith("again"));
  assert.equal(target.connections(), 1);
});

test("what passes through reaches both sides byte for byte, in odd spelling, order and pieces", async () => {
  const response =
    "HTTP/1.1 200 Fine,  thanks\r\nX-ODD:  spaced \r\nx-odd: again\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nTrail: er\r\n\r\n";
  const target = recordingTarget(response);
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: nobody$");
  const request =
    'POST /Path?q HTTP/1.1\r\nhOsT: shop\r\nX-A:b\r\nx-a:   c  \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x="y"\r\nde\r\n0\r\nT: 1\r\n\r\n';
  for (const size of [1, 7, 40, request.length]) {
    const before = target.received().length;
    using peer = await pod.peer();
    for (let at = 0; at < request.length; at += size) {
      peer.write(request.slice(at, at + size));
      if (size < request.length) await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.until((text) => text.length >= response.length);
    while (target.received().length - before < request.length) await new Promise((resolve) => setImmediate(resolve));
    // The trailers end like a head, so this target may have answered twice.
    assert.equal(peer.text.slice(0, response.length), response);
    assert.equal(target.received().slice(before), request);
  }
});

test("bodies stream both ways without waiting for their end", async () => {
  const server = createHttpServer((request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { "x-from": "target" });
    request.pipe(response);
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: nobody$");
  using peer = await pod.peer();
  peer.write("POST /echo HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n");
  peer.write("3\r\none\r\n");
  await peer.until((text) => text.includes("one"));
  peer.write("3\r\ntwo\r\n0\r\n\r\n");
  await peer.until((text) => text.includes("two") && text.endsWith("0\r\n\r\n"));
});

test("8 MiB go up and down through the target at once, to a peer that reads late, and arrive exactly", async () => {
  const body = Buffer.alloc(8 << 20);
  for (let i = 0; i < body.length; i += 4) body.writeUInt32LE(i, i);
  const server = createHttpServer((request, response) => {
    response.writeHead(200, { "content-length": body.length });
    request.pipe(response);
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: nobody$");
  using peer = await pod.peer();
  peer.socket.pause();
  setTimeout(() => peer.socket.resume(), 300);
  peer.write(`POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: ${body.length}\r\n\r\n`);
  peer.write(body);
  await peer.until((text) => text.length > body.length && text.length - text.indexOf("\r\n\r\n") - 4 === body.length);
  assert.ok(peer.bytes.subarray(-body.length).equals(body));
});

test("a streamed upload reaches the client as it comes, and a streamed answer goes back as it comes", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write("POST /up HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n\r\nabc");
  const start = await nextStart(client);
  assert.equal(start.request.body.isLast, false);
  assert.equal(
    Buffer.concat(start.request.body.frames.map((frame) => (frame.kind === "data" ? frame.value : Buffer.alloc(0)))).toString(),
    "abc",
  );
  const ids = { connectionId: start.connectionId, requestId: 0 };
  client.send({
    kind: "tcpSteal",
    value: {
      kind: "httpResponseChunked",
      value: {
        kind: "start",
        value: {
          port: pod.port,
          ...ids,
          internalResponse: { status: 200, version: "HTTP/1.1", headers: [], body: [{ kind: "data", value: Buffer.from("first") }] },
        },
      },
    },
  });
  await peer.until((text) => text.includes("first"));
  peer.write("def");
  const more = await nextSteal(client);
  assert.ok(more.kind === "httpRequestChunked" && more.value.kind === "body" && !more.value.value.isLast);
  const last = await nextSteal(client);
  assert.ok(last.kind === "httpRequestChunked" && last.value.kind === "body" && last.value.value.isLast);
  client.send({
    kind: "tcpSteal",
    value: {
      kind: "httpResponseChunked",
      value: { kind: "body", value: { frames: [{ kind: "data", value: Buffer.from("second") }], isLast: true, ...ids } },
    },
  });
  await peer.until((text) => text.includes("second") && text.endsWith("0\r\n\r\n"));
  assert.deepEqual(await nextSteal(client), { kind: "close", value: { connectionId: start.connectionId } });
  assert.equal(target.received(), "");
});

test("a client that leaves before it answers costs the peer a 502, and in the middle of its answer a cut that can be told from an end", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  const first = await pod.client();
  await pod.steal(first, "^x-user: me$");
  using waiting = await pod.peer();
  waiting.write(GET("/", "x-user: me"));
  await nextStart(first);
  first[Symbol.dispose]();
  assert.match(await waiting.ended(), /^HTTP\/1\.1 502 Bad Gateway[^]*the request was dropped/);

  const second = await pod.client();
  await pod.steal(second, "^x-user: me$");
  using cut = await pod.peer();
  cut.write(GET("/", "x-user: me"));
  const start = await nextStart(second);
  second.send({
    kind: "tcpSteal",
    value: {
      kind: "httpResponseChunked",
      value: {
        kind: "start",
        value: {
          port: pod.port,
          connectionId: start.connectionId,
          requestId: 0,
          internalResponse: { status: 200, version: "HTTP/1.1", headers: [], body: [{ kind: "data", value: Buffer.from("half") }] },
        },
      },
    },
  });
  await cut.until((text) => text.includes("half"));
  second[Symbol.dispose]();
  await cut.ended();
  assert.equal(cut.error === null ? null : (cut.error as NodeJS.ErrnoException).code, "ECONNRESET");
  assert.deepEqual(pod.agent.log.events, []);
});

test("a request that two parsers could read differently is never judged: the target gets every byte", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client);
  for (const text of [
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
  ]) {
    const before = target.received().length;
    using peer = await pod.peer();
    peer.write(text);
    await peer.until((answer) => answer.endsWith("target"));
    peer.write("anything at all");
    peer.socket.end();
    await peer.ended();
    assert.equal(target.received().slice(before), `${text}anything at all`);
  }
});

test("after something on a connection was stolen, an unclear request on it is refused instead", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  peer.write(GET("/", "x-user: me"));
  const start = await nextStart(client);
  respond(client, start.connectionId, pod.port, "mine");
  await peer.until((text) => text.endsWith("mine"));
  peer.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc");
  assert.match(await peer.ended(), /mineHTTP\/1\.1 400 Bad Request/);
  assert.equal(target.received(), "");
});

test("requests sent ahead are answered in order, whoever answers them", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  peer.write(GET("/1") + GET("/2", "x-user: me") + GET("/3") + GET("/4", "x-user: me"));
  for (const body of ["two", "four"]) {
    const start = await nextStart(client);
    respond(client, start.connectionId, pod.port, body);
  }
  const text = await peer.until((all) => all.endsWith("four"));
  assert.deepEqual(text.match(/target|two|four/g), ["target", "two", "target", "four"]);
});

test("a peer that ends its direction after the request still gets its answer, from either side", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using passed = await pod.peer();
  passed.socket.end(GET("/"));
  assert.match(await passed.ended(), /target$/);
  using stolen = await pod.peer();
  stolen.socket.end(GET("/", "x-user: me"));
  const start = await nextStart(client);
  respond(client, start.connectionId, pod.port, "mine");
  assert.match(await stolen.ended(), /mine$/);
});

test("an upgrade answered by the client becomes a raw stream on the same id", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.write(GET("/ws", "Connection: Upgrade", "Upgrade: websocket"));
  const start = await nextStart(client);
  client.send({
    kind: "tcpSteal",
    value: {
      kind: "httpResponseFramed",
      value: {
        port: pod.port,
        connectionId: start.connectionId,
        requestId: 0,
        internalResponse: {
          status: 101,
          version: "HTTP/1.1",
          headers: [
            ["upgrade", [Buffer.from("websocket")]],
            ["connection", [Buffer.from("upgrade")]],
          ],
          body: [],
        },
      },
    },
  });
  await peer.until((text) => text.endsWith("\r\n\r\n"));
  peer.write("ping");
  const data = await nextSteal(client);
  assert.ok(data.kind === "data" && Buffer.from(data.value.bytes).toString() === "ping" && data.value.connectionId === start.connectionId);
  client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId: start.connectionId, bytes: Buffer.from("pong") } } });
  await peer.until((text) => text.endsWith("pong"));
});

test("an upgrade answered by the target becomes a raw stream", async () => {
  const server = createServer((socket: Socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
      socket.on("data", (chunk) => socket.write(chunk));
    });
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  peer.write(GET("/", "Connection: upgrade", "Upgrade: x"));
  await peer.until((text) => text.endsWith("\r\n\r\n"));
  peer.write("\x00\x01GET nonsense");
  await peer.until((text) => text.endsWith("\x00\x01GET nonsense"));
});

test("a raw connection to a stolen port belongs to the client, with both halves kept apart", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client);
  using peer = await pod.peer();
  peer.socket.end("\x00raw");
  const connection = await nextSteal(client);
  assert.ok(connection.kind === "newConnectionV2");
  const { connectionId } = connection.value.connection;
  assert.equal(connection.value.connection.destinationPort, pod.port);
  const data = await nextSteal(client);
  assert.ok(data.kind === "data" && Buffer.from(data.value.bytes).toString() === "\x00raw");
  const end = await nextSteal(client);
  assert.ok(end.kind === "data" && end.value.bytes.length === 0);
  client.send(
    { kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes: Buffer.from("answer") } } },
    { kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes: new Uint8Array(0) } } },
  );
  assert.equal(await peer.ended(), "answer");
  assert.deepEqual(await nextSteal(client), { kind: "close", value: { connectionId } });
});

test("a raw connection passes through both ways at once, 4 MiB against 4 MiB", async () => {
  const size = 4 << 20;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let got = 0;
    socket.write(Buffer.alloc(size, 1));
    socket.on("data", (chunk: Buffer) => {
      got += chunk.length;
      if (got === size) socket.end("done");
    });
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  peer.write(Buffer.alloc(size, 0));
  const text = await peer.ended();
  assert.equal(text.length, size + 4);
});

test("a silent peer of a server that speaks first gets its greeting once detection has given up", async () => {
  const server = createServer((socket) => socket.end("220 hello\r\n"));
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  assert.equal(await peer.ended(), "220 hello\r\n");
});

test("a target that refuses costs the peer a 502 with the address, and the admin one event", async () => {
  const target = createServer();
  await using pod = await PodUnderTest.start(target);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  target.close();
  using peer = await pod.peer();
  peer.write(GET("/"));
  assert.match(await peer.ended(), new RegExp(`502 Bad Gateway[^]*127\\.0\\.0\\.1:${pod.port}[^]*ECONNREFUSED`));
  assert.deepEqual(
    pod.agent.log.events.map(({ code }) => code),
    ["PASSTHROUGH_FAILED"],
  );
});

test("response headers are set as configured, and nothing else of the response changes", async () => {
  const target = recordingTarget("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\nX-Last: 1\r\n\r\nok");
  await using pod = await PodUnderTest.start(target.server, { overridesCacheControl: true, injectsHeaders: true });
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  peer.write(GET("/"));
  const text = await peer.until((all) => all.endsWith("ok"));
  assert.equal(
    text,
    "HTTP/1.1 200 OK\r\nCache-Control: no-cache, no-store, must-revalidate\r\nContent-Length: 2\r\nX-Last: 1\r\nmirrord-agent: passed-through\r\n\r\nok",
  );
});

test("several sessions share a port by their filters; the oldest match wins and the other is told", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using one = await pod.client();
  using two = await pod.client();
  await pod.steal(one, "^x-user: one$");
  await pod.steal(two, "^x-user: ");
  using peer = await pod.peer();
  peer.write(GET("/", "x-user: two"));
  respond(two, (await nextStart(two)).connectionId, pod.port, "two");
  await peer.until((text) => text.endsWith("two"));
  peer.write(GET("/", "x-user: one"));
  respond(one, (await nextStart(one)).connectionId, pod.port, "one");
  await peer.until((text) => text.endsWith("one"));
  assert.match((await two.next("logMessage")).value.message, /stolen by another user/);
  one[Symbol.dispose]();
  two[Symbol.dispose]();
  peer.write(GET("/", "x-user: one"));
  await peer.until((text) => text.endsWith("target") || text.includes("502"));
});

test("a port is given back when its last subscription ends", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  await pod.steal(client);
  assert.deepEqual([...pod.redirected], [pod.port]);
  client.send({ kind: "tcpSteal", value: { kind: "portUnsubscribe", value: pod.port } }, { kind: "ping" });
  await client.next("pong");
  using peer = await pod.peer();
  peer.write(GET("/"));
  await peer.until((text) => text.endsWith("target"));
  assert.deepEqual([...pod.redirected], []);
});

test("a bad filter is answered by a close with the reason, and the session goes on", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  client.send(
    { kind: "tcpSteal", value: { kind: "portSubscribe", value: { kind: "filteredHttp", value: [pod.port, "(unclosed"] } } },
    { kind: "ping" },
  );
  assert.match((await client.next("close")).value, /^Failed to parse the given HTTP filter: /);
  await client.next("pong");
  assert.deepEqual(pod.agent.log.events, []);
});

test("a mirror gets a copy of raw connections and of requests, and changes nothing for the peer", async () => {
  const target = recordingTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  client.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await client.next("tcp");
  using peer = await pod.peer();
  peer.write("POST /m HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nbody");
  await peer.until((text) => text.endsWith("target"));
  const kinds: string[] = [];
  let body = "";
  for (let message = (await client.next("tcp")).value; ; message = (await client.next("tcp")).value) {
    kinds.push(message.kind);
    if (message.kind === "close") break;
    if (message.kind === "httpRequestChunked" && message.value.kind === "body") {
      for (const frame of message.value.value.frames) if (frame.kind === "data") body += Buffer.from(frame.value).toString();
    }
  }
  assert.equal(body, "body");
  assert.equal(kinds[0], "httpRequestChunked");

  using raw = await pod.peer();
  raw.socket.end("\x00bytes\r\n\r\n");
  await raw.until((text) => text.endsWith("target"));
  const rawKinds: string[] = [];
  for (let message = (await client.next("tcp")).value; ; message = (await client.next("tcp")).value) {
    rawKinds.push(message.kind);
    if (message.kind === "close") break;
  }
  assert.deepEqual(rawKinds, ["newConnectionV2", "data", "data", "close"]);
});

for (const [version, expected] of [
  ["1.2.2", ["httpRequest", "close"]],
  ["1.3.0", ["httpRequestFramed", "close"]],
  ["1.7.0", ["httpRequestChunked", "httpRequestChunked", "close"]],
  ["1.19.0", ["httpRequestChunked", "close"]],
] as const) {
  test(`a client of version ${version} gets a request in the form it knows, also when the body comes late`, async () => {
    const target = recordingTarget();
    await using pod = await PodUnderTest.start(target.server);
    using client = await pod.client(version);
    await pod.steal(client, "^x-user: me$");
    using peer = await pod.peer();
    peer.write("POST / HTTP/1.1\r\nHost: a\r\nx-user: me\r\nContent-Length: 2\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 20));
    peer.write("ab");
    const kinds: string[] = [];
    const first = await nextSteal(client);
    kinds.push(first.kind);
    while (client.messages.some((message) => message.kind === "tcpSteal")) kinds.push((await nextSteal(client)).kind);
    respond(client, 0, pod.port, "ok");
    for (let message = await nextSteal(client); ; message = await nextSteal(client)) {
      kinds.push(message.kind);
      if (message.kind === "close") break;
    }
    await peer.until((text) => text.endsWith("ok"));
    assert.equal(kinds[0], expected[0]);
    assert.equal(kinds.at(-1), "close");
  });
}

test("a slow mirror loses its own copies and is told, and the peer does not wait", async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let got = 0;
    socket.on("data", (chunk: Buffer) => (got += chunk.length));
    socket.on("end", () => socket.end(String(got)));
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  client.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await client.next("tcp");
  client.socket.pause();
  using peer = await pod.peer();
  const size = 32 << 20;
  peer.socket.end(Buffer.alloc(size));
  assert.equal(await peer.ended(), String(size));
  client.socket.resume();
  assert.match((await client.next("logMessage")).value.message, /does not read fast enough/);
});
