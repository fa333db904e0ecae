// HTTP/2 requests that nobody steals: the target and its peers notice nothing of the agent between them.

import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { ErrorCode } from "../incoming/http2/errors.ts";
import { frame, FrameWatcher, headers, opening, request, setting, types, uint32 } from "./http2Fixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";

const BIG = Buffer.from(Uint32Array.from({ length: 1_500_000 }, (_, index) => index).buffer);

interface Seen {
  readonly stream: ServerHttp2Stream;
  readonly raw: readonly string[];
}

/** A target whose streams are handled by `handle`. */
function target(handle: (seen: Seen) => void, settings = {}): Http2Server {
  const server = createServer({ settings, maxSessionMemory: 100 });
  server.on("stream", (stream, _headers, _flags, raw) => {
    stream.on("error", () => undefined);
    handle({ stream, raw });
  });
  return server;
}

async function startPod(server: Server, options: Parameters<typeof PodUnderTest.start>[1] = {}): Promise<PodUnderTest> {
  const pod = await PodUnderTest.start(server, options);
  await pod.steal(await pod.client(), "x-user: me");
  return pod;
}

async function session(pod: PodUnderTest, settings = {}): Promise<ClientHttp2Session & AsyncDisposable> {
  const client = connect(`http://127.0.0.1:${pod.doorPort}`, { settings, maxSessionMemory: 100 });
  client.on("error", () => undefined);
  await once(client, "connect");
  return Object.assign(client, { [Symbol.asyncDispose]: async () => client.destroy() });
}

/** `once` would reject for an error before it. */
function closed(stream: ClientHttp2Stream | ServerHttp2Stream): Promise<void> {
  return new Promise((resolve) => stream.once("close", resolve));
}

function quiet(stream: ClientHttp2Stream): ClientHttp2Stream {
  return stream.on("error", () => undefined);
}

suite("a passed HTTP/2 request", () => {
  test("reaches the target as it was: fields, their order, and those that come twice", async () => {
    let raw: readonly string[] = [];
    await using pod = await startPod(
      target((seen) => {
        ({ raw } = seen);
        seen.stream.respond({ ":status": 200 }, { endStream: true });
      }),
    );
    using peer = await pod.peer();
    const fields = [
      ...request,
      ["z-last", "1"],
      ["cookie", "a=1"],
      ["accept", "x"],
      ["cookie", "b=2"],
      ["z-last", "\u00e4"],
      ["te", "trailers"],
      ["authorization", "secret", true],
    ] as const;
    peer.write(Buffer.concat([opening, headers(1, fields)]));
    assert.equal(await new FrameWatcher(peer).status(1), "200");
    assert.deepEqual(
      raw,
      fields.flatMap(([name, value]) => [name, value]),
    );
  });

  test("gets its response as it was, with interim ones and trailers, but for the headers that the agent sets", async () => {
    const server = target(({ stream }) => {
      stream.additionalHeaders({ ":status": 103, link: "</x>" });
      stream.respond({ ":status": 201, "x-b": "1", "cache-control": "max-age=5", "set-cookie": ["a", "b"] }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "9" }));
      stream.end("body");
    });
    await using pod = await startPod(server, { overridesCacheControl: true, injectsHeaders: true });
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, request)]));
    const watcher = new FrameWatcher(peer);
    assert.equal(await watcher.body(1), "body");
    assert.deepEqual(await watcher.fields(1, 0), [
      [":status", "103"],
      ["link", "</x>"],
    ]);
    const response = await watcher.fields(1, 1);
    assert.deepEqual(
      response.filter(([name]) => name !== "date"),
      [
        [":status", "201"],
        ["x-b", "1"],
        ["cache-control", "no-cache, no-store, must-revalidate"],
        ["set-cookie", "a"],
        ["set-cookie", "b"],
        ["mirrord-agent", "passed-through"],
      ],
    );
    assert.deepEqual(await watcher.fields(1, 2), [["x-sum", "9"]]);
  });

  test("has its trailers", async () => {
    let trailers: unknown;
    await using pod = await startPod(
      target(({ stream }) => {
        stream.on("trailers", (fields) => (trailers = fields["x-sum"]));
        stream.resume().on("end", () => stream.respond({ ":status": 200 }, { endStream: true }));
      }),
    );
    await using peer = await session(pod);
    const stream = peer.request({ ":method": "POST" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "4" }));
    stream.end("body");
    await once(stream, "response");
    assert.equal(trailers, "4");
    stream.close();
  });

  test("carries large bodies in both directions at once, many side by side", async () => {
    await using pod = await startPod(
      target(({ stream }) => {
        stream.respond({ ":status": 200 });
        stream.pipe(stream);
      }),
    );
    await using peer = await session(pod);
    const bodies = await Promise.all(
      Array.from({ length: 4 }, () => {
        const stream = quiet(peer.request({ ":method": "POST" }));
        stream.end(BIG);
        return buffer(stream);
      }),
    );
    for (const body of bodies) assert.ok(body.equals(BIG));
  });

  test("is reset on one side as on the other", async () => {
    const streams: ServerHttp2Stream[] = [];
    let onStream = (): void => undefined;
    await using pod = await startPod(
      target(({ stream, raw }) => {
        streams.push(stream);
        if (raw.includes("/refuse")) stream.close(constants.NGHTTP2_REFUSED_STREAM);
        else if (raw.includes("/break")) {
          stream.respond({ ":status": 200 });
          stream.write("half");
          setImmediate(() => stream.destroy(new Error("broken")));
        } else onStream();
      }),
    );
    await using peer = await session(pod);
    const refused = quiet(peer.request({ ":path": "/refuse" }));
    await closed(refused);
    assert.equal(refused.rstCode, constants.NGHTTP2_REFUSED_STREAM);
    const broken = quiet(peer.request({ ":path": "/break" }));
    broken.resume();
    await closed(broken);
    assert.equal(broken.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
    const waiting = new Promise<void>((resolve) => (onStream = resolve));
    const cancelled = quiet(peer.request({ ":path": "/cancel" }));
    await waiting;
    cancelled.close(constants.NGHTTP2_CANCEL);
    await closed(streams.at(-1)!);
    assert.equal(streams.at(-1)!.rstCode, constants.NGHTTP2_CANCEL);
  });

  test("gets all of a response whose target wants no more of the request", async () => {
    await using pod = await startPod(
      target(({ stream }) => {
        stream.respond({ ":status": 413 });
        stream.end(Buffer.alloc(300_000, "x"), () => setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR)));
      }),
    );
    await using peer = await session(pod);
    const stream = quiet(peer.request({ ":method": "POST" }));
    stream.write("beginning");
    assert.equal((await buffer(stream)).length, 300_000);
  });

  test("of a peer that does not read holds up its own stream and nothing else", async () => {
    let written = 0;
    await using pod = await startPod(
      target(({ stream, raw }) => {
        stream.respond({ ":status": 200 });
        if (!raw.includes("/much")) {
          stream.end("ok");
          return;
        }
        const fill = (): void => {
          while (stream.writable && written < 50 << 20) {
            written += 16_384;
            if (!stream.write(Buffer.alloc(16_384))) return;
          }
        };
        stream.on("drain", fill);
        fill();
      }),
    );
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(
      Buffer.concat([opening, frame(types.window, 0, 0, uint32(2 ** 30)), headers(1, [...request.slice(0, 3), [":path", "/much"]])]),
    );
    await watcher.of(types.data, 1);
    for (let id = 3; id < 100; id += 2) {
      peer.write(headers(id, request));
      assert.equal(await watcher.body(id), "ok");
    }
    assert.ok(written < 1 << 20, `the target wrote ${written} bytes to a peer that takes 65,535`);
    const before = watcher.frames.filter(({ type, streamId }) => type === types.data && streamId === 1).length;
    peer.write(frame(types.window, 0, 1, uint32(1 << 20)));
    await peer.until(() => watcher.frames.filter(({ type, streamId }) => type === types.data && streamId === 1).length > before + 20);
  });

  test("of peers that never take anything of some streams leaves the others alone", async () => {
    await using pod = await startPod(
      target(({ stream, raw }) => {
        stream.respond({ ":status": 200 });
        stream.end(raw.includes("/much") ? Buffer.alloc(1 << 20) : "ok");
      }),
    );
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    const nothing = frame(types.settings, 0, 0, setting(4, 0));
    const much = Array.from({ length: 10 }, (_, index) => headers(index * 2 + 1, [...request.slice(0, 3), [":path", "/much"]]));
    peer.write(Buffer.concat([opening, nothing, ...much]));
    for (let id = 1; id < 21; id += 2) await watcher.of(types.headers, id);
    for (let id = 21; id < 61; id += 2) {
      peer.write(Buffer.concat([headers(id, request), frame(types.window, 0, id, uint32(100))]));
      assert.equal(await watcher.body(id), "ok");
    }
  });

  test("of a peer that sends more than the target reads is held up, and others go on", async () => {
    await using pod = await startPod(
      target(({ stream, raw }) => {
        stream.respond({ ":status": 200 });
        // The first one is never read.
        if (raw.includes("POST")) stream.write("stuck");
        else stream.end("ok");
      }),
    );
    await using peer = await session(pod);
    const stuck = quiet(peer.request({ ":method": "POST" }));
    let taken = 0;
    const fill = (): void => {
      while (taken < 50 << 20) {
        taken += 65_536;
        if (!stuck.write(Buffer.alloc(65_536))) return;
      }
    };
    stuck.on("drain", fill);
    fill();
    await once(stuck, "response");
    for (let i = 0; i < 30; i++) assert.equal(await text(quiet(peer.request({ ":path": "/" }))), "ok");
    assert.ok(taken < 2 << 20, `the agent took ${taken} bytes`);
  });

  test("waits while the target has as many as it wants", async () => {
    const open = new Set<ServerHttp2Stream>();
    let most = 0;
    await using pod = await startPod(
      target(
        ({ stream }) => {
          open.add(stream);
          most = Math.max(most, open.size);
          stream.once("close", () => open.delete(stream));
          setTimeout(() => stream.respond({ ":status": 204 }, { endStream: true }), 5);
        },
        { maxConcurrentStreams: 3 },
      ),
    );
    await using peer = await session(pod);
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => ((await once(quiet(peer.request()), "response")) as [Record<string, unknown>])[0][":status"]),
    );
    assert.deepEqual(new Set(statuses), new Set([204]));
    assert.ok(most <= 3);
  });
});

suite("the target's connection", () => {
  test("that ends when it is idle ends the peer's", async () => {
    const server = target(({ stream }) => stream.respond({ ":status": 200 }, { endStream: true }));
    await using pod = await startPod(server);
    const ended = new Promise<void>((resolve) =>
      server.once("session", (one) => one.once("stream", () => setTimeout(() => resolve(one.close()), 20))),
    );
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, request)]));
    const watcher = new FrameWatcher(peer);
    assert.equal(await watcher.status(1), "200");
    await ended;
    assert.equal(await watcher.goAway(), ErrorCode.noError);
    await peer.ended();
    assert.equal(peer.error, null);
  });

  test("that announces its end says so to the peer, whose requests under way are finished", async () => {
    let finish = (): void => undefined;
    const server = target(({ stream }) => {
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, stream.id);
      finish = () => stream.respond({ ":status": 200 }, { endStream: true });
    });
    await using pod = await startPod(server);
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, request)]));
    const watcher = new FrameWatcher(peer);
    assert.equal(await watcher.goAway(), ErrorCode.noError);
    finish();
    assert.equal(await watcher.status(1), "200");
    await peer.ended();
  });

  test("that is reset resets the peer's", async () => {
    const server = target(() => undefined);
    // Under the session: its socket must not be touched through it.
    server.on("connection", (socket: Socket) => setTimeout(() => void socket.resetAndDestroy(), 50));
    await using pod = await startPod(server);
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, request)]));
    await peer.ended();
    assert.equal(peer.error !== null && "code" in peer.error && peer.error.code, "ECONNRESET");
  });

  test("that is refused is told to each request with its reason, and tried again for the next", async () => {
    const server = createTcpServer();
    await using pod = await startPod(server);
    server.close();
    await using peer = await session(pod);
    for (let i = 0; i < 2; i++) {
      const stream = quiet(peer.request());
      const [head] = (await once(stream, "response")) as [Record<string, unknown>];
      assert.equal(head[":status"], 502);
      assert.match(
        await text(stream),
        /^mirrord-agent v0\.0\.0: failed to pass the request to its original destination: 127\.0\.0\.1:\d+: .*ECONNREFUSED/,
      );
    }
    assert.deepEqual(new Set(pod.agent.log.events.map(({ code }) => code)), new Set(["PASSTHROUGH_FAILED"]));
  });

  test("of a target that speaks HTTP/1 only is told, too", async () => {
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"));
    });
    await using pod = await startPod(server);
    await using peer = await session(pod);
    const stream = quiet(peer.request());
    assert.match(await text(stream), /does not speak HTTP\/2/);
  });

  test("ends with its peer", async () => {
    const server = target(({ stream }) => stream.respond({ ":status": 200 }, { endStream: true }));
    await using pod = await startPod(server);
    const sessionClosed = new Promise<void>((resolve) => server.once("session", (one) => one.once("close", () => resolve())));
    const peer = await pod.peer();
    peer.write(Buffer.concat([opening, headers(1, request)]));
    assert.equal(await new FrameWatcher(peer).status(1), "200");
    peer.socket.destroy();
    await sessionClosed;
  });
});

suite("tunnels over HTTP/2", () => {
  test("CONNECT is passed through", async () => {
    await using pod = await startPod(
      target(({ stream }) => {
        stream.respond({ ":status": 200 });
        stream.pipe(stream);
      }),
    );
    await using peer = await session(pod);
    const stream = quiet(peer.request({ ":method": "CONNECT", ":authority": "db:5432" }));
    stream.write("hello");
    const [echoed] = (await once(stream, "data")) as [Buffer];
    assert.equal(echoed.toString(), "hello");
    stream.close();
  });

  test("CONNECT with a protocol is offered when the target does, and passed through", async () => {
    let protocol: unknown;
    await using pod = await startPod(
      target(
        ({ stream, raw }) => {
          protocol = raw[raw.indexOf(":protocol") + 1];
          stream.respond({ ":status": 200 });
          if (raw.includes(":protocol")) stream.pipe(stream);
          else stream.end();
        },
        { enableConnectProtocol: true },
      ),
    );
    await using peer = await session(pod);
    const first = quiet(peer.request());
    first.resume();
    const offered = new Promise<void>((resolve) =>
      peer.on("remoteSettings", (settings: { readonly enableConnectProtocol?: boolean }) => {
        if (settings.enableConnectProtocol === true) resolve();
      }),
    );
    await Promise.all([once(first, "end"), offered]);
    const stream = quiet(peer.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/chat" }));
    stream.write("frame");
    const [echoed] = (await once(stream, "data")) as [Buffer];
    assert.equal(echoed.toString(), "frame");
    assert.equal(protocol, "websocket");
    stream.close();
  });
});

test("a stopping agent announces its end, takes what is on its way, and finishes it", async () => {
  const finish: (() => void)[] = [];
  await using pod = await startPod(target(({ stream }) => void finish.push(() => stream.respond({ ":status": 200 }, { endStream: true }))));
  using peer = await pod.peer();
  peer.write(Buffer.concat([opening, headers(1, request)]));
  const watcher = new FrameWatcher(peer);
  while (finish.length < 1) await new Promise(setImmediate);
  const drained = pod.incoming.drain(5000);
  assert.equal((await watcher.of(types.goAway, 0)).payload.readUInt32BE(), 2 ** 31 - 1);
  const ping = await watcher.of(types.ping, 0);
  // The peer had sent it when it heard of the end.
  peer.write(Buffer.concat([headers(3, request), frame(types.ping, 1, 0, ping.payload)]));
  assert.equal(await watcher.goAway(), ErrorCode.noError);
  while (finish.length < 2) await new Promise(setImmediate);
  for (const one of finish) one();
  assert.equal(await watcher.status(1), "200");
  assert.equal(await watcher.status(3), "200");
  await peer.ended();
  peer.socket.end();
  await drained;
});
