// HTTP/2 requests that a client answers, and copies of them for those who listen.

import assert from "node:assert/strict";
import { createServer, type Http2Server } from "node:http2";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DaemonTcp, HttpHeaders, InternalHttpBodyFrame } from "@understudy/protocol";
import { ErrorCode } from "../incoming/http2/errors.ts";
import type { Field } from "../incoming/http2/fields.ts";
import { END_STREAM, frame, FrameWatcher, headers, opening, request, types, uint32 } from "./http2Fixture.ts";
import { hearRequest, settled } from "./incomingActorsFixture.ts";
import { httpLimits, PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const mine: readonly Field[] = [...request, ["x-user", "me"]];
const upload: readonly Field[] = [[":method", "POST"], ...mine.slice(1)];

/** Says what it got. */
function target(): Http2Server {
  const server = createServer();
  server.on("stream", (stream, { ":method": method }) => {
    stream.on("error", () => undefined);
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
    stream.on("end", () => {
      if (stream.destroyed) return;
      stream.respond({ ":status": 200 });
      stream.end(`target ${method} ${bytes}`);
    });
  });
  return server;
}

async function startPod(options: Parameters<typeof PodUnderTest.start>[1] = {}): Promise<PodUnderTest> {
  return await PodUnderTest.start(target(), options);
}

async function tcp(client: Client): Promise<DaemonTcp> {
  return (await client.next("tcpSteal")).value;
}

type Start = Extract<Extract<DaemonTcp, { kind: "httpRequestChunked" }>["value"], { kind: "startV2" }>["value"];
type Body = Extract<Extract<DaemonTcp, { kind: "httpRequestChunked" }>["value"], { kind: "body" }>["value"];

async function start(client: Client): Promise<Start> {
  const message = await tcp(client);
  assert.ok(message.kind === "httpRequestChunked" && message.value.kind === "startV2", JSON.stringify(message));
  return message.value.value;
}

async function body(client: Client): Promise<Body> {
  const message = await tcp(client);
  assert.ok(message.kind === "httpRequestChunked" && message.value.kind === "body", message.kind);
  return message.value.value;
}

/** Collects a body to its end. */
async function restOfBody(client: Client): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { frames, isLast } = await body(client);
    for (const one of frames) if (one.kind === "data") pieces.push(one.value);
    if (isLast) return Buffer.concat(pieces);
  }
}

async function closed(client: Client, connectionId: number | bigint): Promise<void> {
  assert.deepEqual(await tcp(client), { kind: "close", value: { connectionId } });
}

interface Answer {
  readonly status?: number;
  readonly headers?: HttpHeaders;
  readonly frames?: readonly InternalHttpBodyFrame[];
}

function internal({ status = 200, headers: list = [], frames = [] }: Answer): {
  status: number;
  version: string;
  headers: HttpHeaders;
  body: readonly InternalHttpBodyFrame[];
} {
  return { status, version: "HTTP/2.0", headers: list, body: frames };
}

function answer(client: Client, connectionId: number | bigint, parts: Answer): void {
  client.send({
    kind: "tcpSteal",
    value: { kind: "httpResponseFramed", value: { port: 1, connectionId, requestId: 0, internalResponse: internal(parts) } },
  });
}

function beginAnswer(client: Client, connectionId: number | bigint, parts: Answer): void {
  client.send({
    kind: "tcpSteal",
    value: {
      kind: "httpResponseChunked",
      value: { kind: "start", value: { port: 1, connectionId, requestId: 0, internalResponse: internal(parts) } },
    },
  });
}

function continueAnswer(client: Client, connectionId: number | bigint, frames: readonly InternalHttpBodyFrame[], isLast: boolean): void {
  client.send({
    kind: "tcpSteal",
    value: { kind: "httpResponseChunked", value: { kind: "body", value: { connectionId, requestId: 0, frames, isLast } } },
  });
}

const data = (text: string | Uint8Array): InternalHttpBodyFrame => ({ kind: "data", value: Buffer.from(text as string) });
const trailers = (name: string, value: string): InternalHttpBodyFrame => ({ kind: "trailers", value: [[name, [Buffer.from(value)]]] });

suite("a stolen HTTP/2 request", () => {
  test("comes with its uri, version and headers; what is not the client's goes on to the target", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client, "x-user: me");
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(
      Buffer.concat([
        opening,
        headers(1, [...request.slice(0, 3), [":path", "/x?q=1"], ["cookie", "a=1"], ["x-user", "me"], ["cookie", "b=2"]]),
        headers(3, request),
      ]),
    );
    const { connectionId, requestId, request: got, metadata, transport } = await start(client);
    assert.equal(requestId, 0);
    assert.deepEqual(
      { method: got.method, uri: got.uri, version: got.version },
      { method: "GET", uri: "http://shop/x?q=1", version: "HTTP/2.0" },
    );
    assert.deepEqual(
      got.headers.map(([name, values]) => [name, values.map((value) => Buffer.from(value).toString())]),
      [
        ["cookie", ["a=1", "b=2"]],
        ["x-user", ["me"]],
      ],
    );
    assert.deepEqual(got.body, { frames: [], isLast: true });
    assert.equal(metadata.kind === "v1" && metadata.value.destination.port, pod.port);
    assert.deepEqual(transport, { kind: "tcp" });
    answer(client, connectionId, {
      headers: [
        ["X-By", [Buffer.from("client")]],
        ["connection", [Buffer.from("close")]],
      ],
      frames: [data("mine")],
    });
    assert.equal(await watcher.body(1), "mine");
    const fields = await watcher.fields(1);
    assert.deepEqual(fields.slice(0, 2), [
      [":status", "200"],
      ["x-by", "client"],
    ]);
    assert.ok(fields.some(([name]) => name === "date"));
    assert.ok(!fields.some(([name]) => name === "connection"));
    assert.equal(await watcher.body(3), "target GET 0");
    await closed(client, connectionId);
  });

  test("is told with its path as UTF-8; one that is no UTF-8 goes to the target", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    const asks = (id: number, path: string): Buffer => headers(id, [...request.slice(0, 3), [":path", path]]);
    peer.write(Buffer.concat([opening, asks(1, "/\u00e4"), asks(3, Buffer.from("/\u00e4").toString("latin1"))]));
    assert.equal(await watcher.body(1), "target GET 0");
    assert.equal((await start(client)).request.uri, "http://shop/\u00e4");
  });

  test("has a body that came with its head in its first message", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    peer.write(
      Buffer.concat([
        opening,
        headers(1, upload, 0),
        frame(types.data, 0, 1, Buffer.from("he")),
        frame(types.data, END_STREAM, 1, Buffer.from("llo")),
      ]),
    );
    const { request: got } = await start(client);
    assert.equal(got.body.isLast, true);
    assert.equal(Buffer.concat(got.body.frames.map((one) => (one.kind === "data" ? one.value : Buffer.alloc(0)))).toString(), "hello");
  });

  test("streams its body and trailers, and its answer streams at the same time", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, headers(1, upload, 0)]));
    const { connectionId, request: got } = await start(client);
    assert.equal(got.body.isLast, false);
    beginAnswer(client, connectionId, {});
    for (let i = 0; i < 5; i++) {
      peer.write(frame(types.data, 0, 1, Buffer.from(`ping ${i}`)));
      const { frames } = await body(client);
      assert.deepEqual(
        frames.map((one) => one.kind === "data" && Buffer.from(one.value).toString()),
        [`ping ${i}`],
      );
      continueAnswer(client, connectionId, [data(`pong ${i}`)], false);
      await watcher.next((one) => one.type === types.data && one.payload.toString() === `pong ${i}`);
    }
    peer.write(headers(1, [["x-sum", "5"]]));
    const last = await body(client);
    assert.deepEqual(
      last.frames.map((one) => one.kind === "trailers" && one.value.map(([name, [value]]) => [name, Buffer.from(value!).toString()])),
      [[["x-sum", "5"]]],
    );
    assert.deepEqual(await body(client), { frames: [], isLast: true, connectionId, requestId: 0 });
    continueAnswer(client, connectionId, [trailers("grpc-status", "0")], true);
    await watcher.body(1);
    assert.deepEqual(await watcher.fields(1, 1), [["grpc-status", "0"]]);
    await closed(client, connectionId);
  });

  test("that is answered at once has head and trailers, or a head that is the end, without DATA between", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, headers(1, mine), headers(3, mine), headers(5, [[":method", "HEAD"], ...mine.slice(1)])]));
    answer(client, (await start(client)).connectionId, { frames: [trailers("grpc-status", "12")] });
    answer(client, (await start(client)).connectionId, { status: 404 });
    answer(client, (await start(client)).connectionId, { headers: [["content-length", [Buffer.from("3")]]], frames: [data("not sent")] });
    for (const id of [1, 3, 5]) await watcher.body(id);
    assert.deepEqual(
      watcher.frames.filter(({ streamId }) => streamId > 0).map(({ type, streamId, flags }) => [type, streamId, flags & END_STREAM]),
      [
        [types.headers, 1, 0],
        [types.headers, 1, 1],
        [types.headers, 3, 1],
        [types.headers, 5, 1],
      ],
    );
  });

  test("carries large bodies in both directions", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    const sent = Buffer.from(Uint32Array.from({ length: 100_000 }, (_, index) => index * 7).buffer);
    peer.write(
      Buffer.concat([
        opening,
        frame(types.window, 0, 0, uint32(1 << 20)),
        headers(1, upload, 0),
        frame(types.window, 0, 1, uint32(1 << 20)),
      ]),
    );
    const { connectionId } = await start(client);
    const receiving = restOfBody(client);
    let at = 0;
    let window = 65_535;
    const seen = new Set<number>();
    while (at < sent.length) {
      const bytes = Math.min(16_384, window, sent.length - at);
      if (bytes > 0) {
        peer.write(frame(types.data, at + bytes === sent.length ? END_STREAM : 0, 1, sent.subarray(at, at + bytes)));
        at += bytes;
        window -= bytes;
        continue;
      }
      await watcher.next(() => watcher.frames.some((one, index) => one.type === types.window && one.streamId === 1 && !seen.has(index)));
      for (const [index, one] of watcher.frames.entries()) {
        if (one.type !== types.window || one.streamId !== 1 || seen.has(index)) continue;
        seen.add(index);
        window += one.payload.readUInt32BE();
      }
    }
    assert.ok((await receiving).equals(sent));
    answer(client, connectionId, { headers: [["content-length", [Buffer.from(String(sent.length))]]], frames: [data(sent)] });
    assert.equal(await watcher.body(1), sent.toString("latin1"));
  });

  test("whose client breaks off its answer is reset, and never looks complete", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, headers(1, mine), headers(3, mine), headers(5, mine)]));
    const ids = [(await start(client)).connectionId, (await start(client)).connectionId, (await start(client)).connectionId];
    for (const id of ids) beginAnswer(client, id, { frames: [data("half")] });
    client.send({
      kind: "tcpSteal",
      value: { kind: "httpResponseChunked", value: { kind: "error", value: { connectionId: ids[0]!, requestId: 0 } } },
    });
    assert.equal(await watcher.rst(1), ErrorCode.internalError);
    client.send({ kind: "tcpSteal", value: { kind: "connectionUnsubscribe", value: ids[1]! } });
    assert.equal(await watcher.rst(3), ErrorCode.internalError);
    client.socket.destroy();
    assert.equal(await watcher.rst(5), ErrorCode.internalError);
  });

  test("whose client leaves before it answers gets 502; the connection stays", async () => {
    await using pod = await startPod();
    const client = await pod.client();
    await pod.steal(client, "x-user: me");
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, headers(1, mine)]));
    await start(client);
    client.socket.destroy();
    assert.equal(await watcher.body(1), "mirrord-agent v0.0.0: the request was dropped\n");
    assert.equal(await watcher.status(1), "502");
    peer.write(headers(3, mine));
    assert.equal(await watcher.body(3), "target GET 0");
  });

  test("of which the client never heard goes to the target when the client leaves", async () => {
    await using pod = await startPod();
    // This version is told of a request when all of it is there.
    const client = await pod.client("1.3.0");
    await pod.steal(client, "x-user: me");
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, headers(1, upload, 0), frame(types.data, 0, 1, Buffer.alloc(1000))]));
    while (pod.agent.metrics.redirectedRequestsCount.value === 0) await new Promise(setImmediate);
    client.socket.destroy();
    while (pod.agent.metrics.stealFilteredPortSubscriptionCount.value > 0) await new Promise(setImmediate);
    peer.write(frame(types.data, END_STREAM, 1, Buffer.alloc(500)));
    assert.equal(await watcher.body(1), "target POST 1500");
  });

  for (const [version, first, trailerCount] of [
    ["1.2.2", "httpRequest", 0],
    ["1.6.9", "httpRequestFramed", 1],
    ["1.18.9", "startV1", 1],
    ["1.19.0", "startV2", 1],
  ] as const) {
    test(`comes to a client of version ${version} in its own form, with one end`, async () => {
      await using pod = await startPod();
      using client = await pod.client(version);
      await pod.steal(client, "x-user: me");
      using peer = await pod.peer();
      const watcher = new FrameWatcher(peer);
      const hearing = hearRequest(client, version);
      peer.write(Buffer.concat([opening, headers(1, upload, 0)]));
      for (const piece of ["abc", "de"]) {
        await sleep(5); // so that it is read apart
        peer.write(frame(types.data, 0, 1, Buffer.from(piece)));
      }
      peer.write(headers(1, [["x-sum", "5"]]));
      const { kinds, body: text, trailers: count } = await hearing;
      assert.deepEqual([kinds[0], text, count], [first, "abcde", trailerCount]);
      answer(client, 0, { frames: [data("ok")] });
      assert.equal(await watcher.body(1), "ok");
      await closed(client, 0);
      await settled(client);
      assert.ok(!client.messages.some(({ kind }) => kind === "tcpSteal"), "nothing comes after the end");
    });
  }

  test("with a body too large for an old client goes to the target, whole", async () => {
    await using pod = await startPod();
    using client = await pod.client("1.3.0");
    await pod.steal(client, "x-user: me");
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    const pieces = 80;
    peer.write(Buffer.concat([opening, headers(1, upload, 0)]));
    let sent = 0;
    for (let window = 65_535; sent < pieces;) {
      if (window >= 16_000) {
        sent += 1;
        window -= 16_000;
        peer.write(frame(types.data, sent === pieces ? END_STREAM : 0, 1, Buffer.alloc(16_000)));
        continue;
      }
      const before = watcher.frames.length;
      await peer.until(() => watcher.frames.length > before);
      const granted = (id: number): number =>
        watcher.frames
          .filter((one) => one.type === types.window && one.streamId === id)
          .reduce((sum, { payload }) => sum + payload.readUInt32BE(), 65_535);
      window = Math.min(granted(0), granted(1)) - sent * 16_000;
    }
    assert.equal(await watcher.body(1), `target POST ${pieces * 16_000}`);
  });

  test("whose peer resets it or leaves is told to the client", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    const peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, mine), headers(3, upload, 0)]));
    const first = (await start(client)).connectionId;
    const second = (await start(client)).connectionId;
    peer.write(frame(types.rst, 0, 1, uint32(8)));
    await closed(client, first);
    assert.match(
      (await client.next("logMessage")).value.message,
      /^Stolen connection 0 failed: incoming connection failed: the stream was reset \(cancel\)/,
    );
    peer.socket.resetAndDestroy();
    await closed(client, second);
    assert.match((await client.next("logMessage")).value.message, /^Stolen connection 1 failed: incoming connection failed: /);
    // There is nothing that the admin could do about peers that leave.
    assert.deepEqual(pod.agent.log.events, []);
  });

  test("whose answer is not HTTP/2 gets 502, or is reset where it has begun", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, ...[1, 3, 5, 7].map((id) => headers(id, mine))]));
    const ids: (number | bigint)[] = [];
    for (let i = 0; i < 4; i++) ids.push((await start(client)).connectionId);
    answer(client, ids[0]!, { headers: [["content-length", [Buffer.from("5")]]], frames: [data("four")] });
    answer(client, ids[1]!, { headers: [["x", [Buffer.alloc(70_000, "y")]]] });
    answer(client, ids[2]!, { status: 101 });
    beginAnswer(client, ids[3]!, { headers: [["content-length", [Buffer.from("2")]]], frames: [data("1")] });
    continueAnswer(client, ids[3]!, [data("23")], true);
    for (const id of [1, 3, 5]) assert.equal(await watcher.status(id), "502");
    assert.equal(await watcher.rst(7), ErrorCode.internalError);
  });

  test("that expects it is told to go on", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, [...upload, ["expect", "100-continue"]], 0)]));
    assert.equal(await new FrameWatcher(peer).status(1), "100");
  });

  test("of a peer that does not read holds up its own stream, and counts on its client's account", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, frame(types.window, 0, 0, uint32(1 << 24)), headers(1, mine)]));
    const slow = (await start(client)).connectionId;
    beginAnswer(client, slow, {});
    for (let i = 0; i < 6; i++) continueAnswer(client, slow, [data(Buffer.alloc(50_000))], false);
    for (let id = 3; id < 23; id += 2) {
      peer.write(headers(id, mine));
      answer(client, (await start(client)).connectionId, { frames: [data("quick")] });
      assert.equal(await watcher.body(id), "quick");
      await tcp(client);
    }
    peer.write(frame(types.window, 0, 1, uint32(1 << 20)));
    continueAnswer(client, slow, [], true);
    assert.equal((await watcher.body(1)).length, 300_000);
  });

  test("of a peer that takes nothing of its answer is given up after a while", async () => {
    await using pod = await startPod({
      http: { ...httpLimits, stuckTimeoutMs: 200 },
    });
    using client = await pod.client();
    await pod.steal(client);
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, mine)]));
    const { connectionId } = await start(client);
    beginAnswer(client, connectionId, { frames: [data(Buffer.alloc(100_000))] });
    assert.equal(await new FrameWatcher(peer).rst(1), ErrorCode.cancel);
    await closed(client, connectionId);
  });
});

suite("filters of HTTP/2 requests", () => {
  test("see bodies, within limits", async () => {
    await using pod = await startPod({
      http: { ...httpLimits, bodyMaxBytes: 100_000, bodyTimeoutMs: 300 },
    });
    using client = await pod.client();
    client.send({
      kind: "tcpSteal",
      value: {
        kind: "portSubscribe",
        value: {
          kind: "filteredHttpEx",
          value: [pod.port, { kind: "body", value: { kind: "json", value: { query: "$.user", matches: "^me$" } } }],
        },
      },
    } as never);
    await tcp(client);
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    const json = (user: string, padding = 0): Buffer => Buffer.from(JSON.stringify({ user, padding: "x".repeat(padding) }));
    peer.write(Buffer.concat([opening, headers(1, upload, 0), headers(3, upload, 0), headers(5, upload, 0), headers(7, upload, 0)]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    peer.write(Buffer.concat([frame(types.data, 0, 1, json("me").subarray(0, 5)), frame(types.data, END_STREAM, 3, json("you"))]));
    assert.equal(await watcher.body(3), `target POST ${json("you").length}`);
    peer.write(frame(types.data, END_STREAM, 1, json("me").subarray(5)));
    const got = await start(client);
    assert.equal(
      Buffer.concat(got.request.body.frames.map((one) => (one.kind === "data" ? one.value : Buffer.alloc(0)))).toString(),
      json("me").toString(),
    );
    // The other two do not become complete in time, or are too large; they are the target's.
    peer.write(Buffer.concat([frame(types.data, 0, 5, json("me"))]));
    await new Promise((resolve) => setTimeout(resolve, 400));
    peer.write(frame(types.data, END_STREAM, 5));
    assert.equal(await watcher.body(5), `target POST ${json("me").length}`);
  });

  test("see paths, methods and headers, pseudo headers excepted", async () => {
    await using pod = await startPod();
    using client = await pod.client();
    await pod.steal(client, "^:path|authority");
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, request)]));
    assert.equal(await new FrameWatcher(peer).body(1), "target GET 0");
    client.send({
      kind: "tcpSteal",
      value: { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [pod.port, { kind: "path", value: "^/api\\?x" }] } },
    });
    await tcp(client);
    peer.write(headers(3, [...request.slice(0, 3), [":path", "/api?x=1"]]));
    assert.equal((await start(client)).request.uri, "http://shop/api?x=1");
  });
});

suite("a mirrored HTTP/2 request", () => {
  test("is copied with its body, whether the target or a client answers it", async () => {
    await using pod = await startPod();
    using listener = await pod.client();
    using stealer = await pod.client();
    listener.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
    await listener.next("tcp");
    await pod.steal(stealer, "x-user: me");
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, headers(1, [[":method", "POST"], ...request.slice(1)], 0), headers(3, upload, 0)]));
    await start(stealer);
    peer.write(
      Buffer.concat([
        frame(types.data, END_STREAM, 1, Buffer.from("one")),
        frame(types.data, 0, 3, Buffer.from("three")),
        headers(3, [["t", "1"]]),
      ]),
    );
    assert.equal(await watcher.body(1), "target POST 3");
    const seen: string[] = [];
    while (seen.filter((one) => one.startsWith("close")).length < 2) {
      const message = (await listener.next("tcp")).value;
      if (message.kind === "close") seen.push(`close ${message.value.connectionId}`);
      if (message.kind !== "httpRequestChunked") continue;
      const part = message.value;
      if (part.kind === "startV2") seen.push(`start ${part.value.connectionId} ${part.value.request.method} ${part.value.request.version}`);
      if (part.kind === "body")
        for (const one of part.value.frames)
          seen.push(`${one.kind} ${part.value.connectionId} ${one.kind === "data" ? Buffer.from(one.value).toString() : ""}`);
    }
    assert.deepEqual(seen.toSorted(), [
      "close 0",
      "close 1",
      "data 0 one",
      "data 1 three",
      "start 0 POST HTTP/2.0",
      "start 1 POST HTTP/2.0",
      "trailers 1 ",
    ]);
  });
});
