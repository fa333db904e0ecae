// Peers that break the rules of HTTP/2 (RFC 9113), one rule at a time: what is broken ends, with the code that the rule names, and nothing else does.

import assert from "node:assert/strict";
import { createServer, type Http2Server } from "node:http2";
import { suite, test } from "node:test";
import { ErrorCode } from "../incoming/http2/errors.ts";
import type { Field } from "../incoming/http2/fields.ts";
import { PREFACE } from "../incoming/http2/frameTypes.ts";
import { block, END_HEADERS, END_STREAM, frame, FrameWatcher, headers, opening, request, setting, types, uint32 } from "./http2Fixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";

/** Answers every request with `ok` when its body has ended. */
function target(): Http2Server {
  const server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.resume();
    stream.on("end", () => {
      if (stream.destroyed) return;
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
  });
  return server;
}

async function startPod(options: Parameters<typeof PodUnderTest.start>[1] = {}): Promise<PodUnderTest> {
  const pod = await PodUnderTest.start(target(), options);
  await pod.steal(await pod.client(), "x-user: me");
  return pod;
}

const { protocolError, frameSizeError, flowControlError, streamClosed, compressionError, enhanceYourCalm } = ErrorCode;
const post: readonly Field[] = [[":method", "POST"], ...request.slice(1)];
const openStream = headers(1, post, 0);

/** Behind the opening of the connection; the code with which the connection ends. */
const connectionErrors: readonly (readonly [what: string, bytes: Buffer, code: number])[] = [
  ["a frame of more than 16 KiB", frame(types.headers, END_HEADERS, 1, Buffer.alloc(16_385)), frameSizeError],
  [
    "a bad header block",
    frame(types.headers, END_HEADERS | END_STREAM, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    compressionError,
  ],
  ["an index beyond the table", frame(types.headers, END_HEADERS | END_STREAM, 1, Buffer.from([0xfe])), compressionError],
  ["an even stream id", headers(2, request), protocolError],
  ["HEADERS without a stream", headers(0, request), protocolError],
  ["stream ids that go down", Buffer.concat([headers(5, request), headers(3, request)]), streamClosed],
  ["DATA on an idle stream", frame(types.data, 0, 1, Buffer.from("x")), protocolError],
  ["DATA without a stream", frame(types.data, 0, 0, Buffer.from("x")), protocolError],
  ["a reset of an idle stream", frame(types.rst, 0, 1, uint32(8)), protocolError],
  ["a reset of a wrong length", Buffer.concat([openStream, frame(types.rst, 0, 1, Buffer.alloc(3))]), frameSizeError],
  ["a window update on an idle stream", frame(types.window, 0, 1, uint32(1)), protocolError],
  ["a window update by nothing", frame(types.window, 0, 0, uint32(0)), protocolError],
  ["a window update of a wrong length", frame(types.window, 0, 0, Buffer.alloc(3)), frameSizeError],
  ["a window that is too large", frame(types.window, 0, 0, uint32(2 ** 31 - 1)), flowControlError],
  [
    "a window of all streams that is too large",
    Buffer.concat([openStream, frame(types.window, 0, 1, uint32(2 ** 30)), frame(types.settings, 0, 0, setting(4, 2 ** 31 - 1))]),
    flowControlError,
  ],
  ["settings on a stream", frame(types.settings, 0, 1), protocolError],
  ["settings of a wrong length", frame(types.settings, 0, 0, Buffer.alloc(5)), frameSizeError],
  ["an acknowledgement of settings with a payload", frame(types.settings, 1, 0, setting(1, 1)), frameSizeError],
  ["ENABLE_PUSH 2", frame(types.settings, 0, 0, setting(2, 2)), protocolError],
  ["an initial window that is too large", frame(types.settings, 0, 0, setting(4, 2 ** 31)), flowControlError],
  ["a maximum frame size that is too small", frame(types.settings, 0, 0, setting(5, 100)), protocolError],
  ["a ping on a stream", frame(types.ping, 0, 1, Buffer.alloc(8)), protocolError],
  ["a ping of a wrong length", frame(types.ping, 0, 0, Buffer.alloc(7)), frameSizeError],
  ["GOAWAY on a stream", frame(types.goAway, 0, 1, Buffer.alloc(8)), protocolError],
  ["GOAWAY that is too short", frame(types.goAway, 0, 0, Buffer.alloc(7)), frameSizeError],
  ["PUSH_PROMISE", frame(types.push, END_HEADERS, 1, Buffer.concat([uint32(2), block(request)])), protocolError],
  ["PRIORITY of a wrong length", frame(types.priority, 0, 1, Buffer.alloc(4)), frameSizeError],
  [
    "a stream that depends on itself",
    frame(types.headers, END_HEADERS | END_STREAM | 0x20, 1, Buffer.concat([uint32(1), Buffer.from([0]), block(request)])),
    protocolError,
  ],
  ["CONTINUATION of nothing", frame(types.continuation, END_HEADERS, 1, block(request)), protocolError],
  [
    "a header block that another frame interrupts",
    Buffer.concat([frame(types.headers, 0, 1, block(request)), frame(types.ping, 0, 0, Buffer.alloc(8))]),
    protocolError,
  ],
  [
    "a header block that DATA interrupts",
    Buffer.concat([frame(types.headers, 0, 1, block(request)), frame(types.data, 0, 1, Buffer.from("x"))]),
    protocolError,
  ],
  [
    "a header block without an end",
    Buffer.concat([frame(types.headers, 0, 1, block(request)), ...Array.from({ length: 200 }, () => frame(types.continuation, 0, 1))]),
    enhanceYourCalm,
  ],
  [
    "a header block of a megabyte",
    Buffer.concat([
      frame(types.headers, 0, 1, block(request)),
      ...Array.from({ length: 63 }, () => frame(types.continuation, 0, 1, Buffer.alloc(16_384, 0x82))),
    ]),
    enhanceYourCalm,
  ],
  ["padding longer than its frame", frame(types.headers, END_HEADERS | 8, 1, Buffer.from([200, 0x82])), protocolError],
];

/** The second one of two requests; the code with which its stream ends. */
const streamErrors: readonly (readonly [what: string, bytes: Buffer, code: number])[] = [
  ["an upper-case header name", headers(3, [...request, ["X-Name", "v"]]), protocolError],
  ["a header about the connection", headers(3, [...request, ["connection", "keep-alive"]]), protocolError],
  ["transfer-encoding", headers(3, [...request, ["transfer-encoding", "chunked"]]), protocolError],
  ["upgrade", headers(3, [...request, ["upgrade", "websocket"]]), protocolError],
  ["te other than trailers", headers(3, [...request, ["te", "gzip"]]), protocolError],
  ["a line end in a value", headers(3, [...request, ["x", "a\r\nb: c"]]), protocolError],
  ["a control character in a value", headers(3, [...request, ["x", "a\u0001"]]), protocolError],
  ["a pseudo header behind others", headers(3, [["x", "y"], ...request]), protocolError],
  ["an unknown pseudo header", headers(3, [...request, [":odd", "x"]]), protocolError],
  ["a pseudo header of responses", headers(3, [...request, [":status", "200"]]), protocolError],
  ["a pseudo header twice", headers(3, [...request, [":path", "/other"]]), protocolError],
  ["no method", headers(3, request.slice(1)), protocolError],
  ["no scheme", headers(3, [...request.slice(0, 1), ...request.slice(2)]), protocolError],
  ["an empty path", headers(3, [...request.slice(0, 3), [":path", ""]]), protocolError],
  ["CONNECT with a path", headers(3, [[":method", "CONNECT"], ...request.slice(1)]), protocolError],
  [
    "a :protocol that was not offered",
    headers(3, [[":method", "CONNECT"], ...request.slice(1), [":protocol", "websocket"]]),
    protocolError,
  ],
  ["content-length without a body", headers(3, [...post, ["content-length", "1"]]), protocolError],
  ["differing content-lengths", headers(3, [...post, ["content-length", "1"], ["content-length", "2"]], 0), protocolError],
  [
    "a body shorter than its content-length",
    Buffer.concat([headers(3, [...post, ["content-length", "5"]], 0), frame(types.data, END_STREAM, 3, Buffer.from("four"))]),
    protocolError,
  ],
  [
    "a body longer than its content-length",
    Buffer.concat([headers(3, [...post, ["content-length", "1"]], 0), frame(types.data, 0, 3, Buffer.from("four"))]),
    protocolError,
  ],
  ["DATA behind the end", Buffer.concat([headers(3, [...post, ["x-wait", "1"]]), frame(types.data, 0, 3, Buffer.from("x"))]), streamClosed],
  ["HEADERS behind the end", Buffer.concat([headers(3, post), headers(3, [["x", "y"]])]), streamClosed],
  ["trailers that do not end the stream", Buffer.concat([headers(3, post, 0), headers(3, [["x", "y"]], 0)]), protocolError],
  ["trailers with a pseudo header", Buffer.concat([headers(3, post, 0), headers(3, [[":path", "/"]])]), protocolError],
  [
    "more DATA than its window allows",
    Buffer.concat([headers(3, post, 0), ...Array.from({ length: 5 }, () => frame(types.data, 0, 3, Buffer.alloc(16_384)))]),
    flowControlError,
  ],
  ["a window update by nothing", Buffer.concat([headers(3, post, 0), frame(types.window, 0, 3, uint32(0))]), protocolError],
  ["a window that is too large", Buffer.concat([headers(3, post, 0), frame(types.window, 0, 3, uint32(2 ** 31 - 1))]), flowControlError],
];

suite("a peer that breaks HTTP/2", () => {
  for (const [what, bytes, code] of connectionErrors) {
    test(`loses its connection for ${what}; others go on`, async () => {
      await using pod = await startPod();
      using peer = await pod.peer();
      const watcher = new FrameWatcher(peer);
      peer.write(Buffer.concat([opening, bytes]));
      assert.equal(await watcher.goAway(), code);
      await peer.ended();
      using other = await pod.peer();
      other.write(Buffer.concat([opening, headers(1, request)]));
      assert.equal(await new FrameWatcher(other).body(1), "ok");
      assert.deepEqual(
        pod.agent.log.events.filter((event) => event.code === "AGENT_BUG"),
        [],
      );
    });
  }

  for (const [what, bytes, code] of streamErrors) {
    test(`loses the stream for ${what}; the others on its connection go on`, async () => {
      await using pod = await startPod();
      using peer = await pod.peer();
      const watcher = new FrameWatcher(peer);
      peer.write(Buffer.concat([opening, headers(1, post, 0), bytes]));
      assert.equal(await watcher.rst(3), code);
      peer.write(Buffer.concat([frame(types.data, END_STREAM, 1), headers(5, request)]));
      assert.equal(await watcher.body(1), "ok");
      assert.equal(await watcher.body(5), "ok");
    });
  }

  test("loses its connection for an invalid preface", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    const broken = Buffer.from(PREFACE);
    broken[20] = 0x20;
    peer.write(broken);
    assert.equal(await new FrameWatcher(peer).goAway(), protocolError);
  });

  test("loses its connection when the first frame is not SETTINGS", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    peer.write(Buffer.concat([PREFACE, headers(1, request)]));
    assert.equal(await new FrameWatcher(peer).goAway(), protocolError);
  });

  test("is refused streams beyond the limit", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, ...Array.from({ length: 201 }, (_, index) => headers(index * 2 + 1, post, 0))]));
    assert.equal(await new FrameWatcher(peer).rst(401), ErrorCode.refusedStream);
  });

  test("gets 431 for a head that is too large, and its connection stays", async () => {
    await using pod = await startPod({
      headerListMaxBytes: 16 * 1024,
    });
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    const large = block([...request, ["x", "y".repeat(17 * 1024)]]);
    peer.write(
      Buffer.concat([
        opening,
        frame(types.headers, END_STREAM, 1, large.subarray(0, 16_000)),
        frame(types.continuation, END_HEADERS, 1, large.subarray(16_000)),
        headers(3, request),
      ]),
    );
    assert.equal(await watcher.status(1), "431");
    assert.equal(await watcher.body(3), "ok");
  });

  test("is cut off when it opens and resets streams without end", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    peer.write(opening);
    const burst = (from: number): Buffer =>
      Buffer.concat(
        Array.from({ length: 500 }, (_, index) => [
          headers((from + index) * 2 + 1, request),
          frame(types.rst, 0, (from + index) * 2 + 1, uint32(8)),
        ]).flat(),
      );
    for (let round = 0; round < 6; round++) peer.write(burst(round * 500));
    assert.equal(await new FrameWatcher(peer).goAway(), enhanceYourCalm);
  });

  for (const [what, one] of [
    ["pings", frame(types.ping, 0, 0, Buffer.alloc(8))],
    ["settings", frame(types.settings, 0, 0, setting(3, 5))],
    ["priorities", frame(types.priority, 0, 1, Buffer.alloc(5))],
    ["empty DATA", frame(types.data, 0, 1)],
  ] as const) {
    test(`is cut off for ${what} without end`, async () => {
      await using pod = await startPod();
      using peer = await pod.peer();
      peer.write(Buffer.concat([opening, openStream, ...Array.from({ length: 12_000 }, () => one)]));
      assert.equal(await new FrameWatcher(peer).goAway(), enhanceYourCalm);
    });
  }
});

suite("what HTTP/2 allows", () => {
  test("unknown frames, priorities, padding, and settings that nobody knows", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    const padded = Buffer.concat([Buffer.from([3]), block(request), Buffer.alloc(3)]);
    peer.write(
      Buffer.concat([
        opening,
        frame(0xfa, 0xff, 7, Buffer.from("anything")),
        frame(types.settings, 0, 0, setting(0xfafa, 1)),
        frame(types.priority, 0, 3, Buffer.concat([uint32(1), Buffer.from([5])])),
        frame(types.headers, END_HEADERS | END_STREAM | 8, 1, padded),
        headers(3, [[":method", "POST"], ...request.slice(1)], 0),
        frame(types.data, END_STREAM | 8, 3, Buffer.concat([Buffer.from([2]), Buffer.from("body"), Buffer.alloc(2)])),
      ]),
    );
    const watcher = new FrameWatcher(peer);
    assert.equal(await watcher.body(1), "ok");
    assert.equal(await watcher.body(3), "ok");
  });

  test("pings come back with what was in them", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    peer.write(Buffer.concat([opening, frame(types.ping, 0, 0, Buffer.from("12345678"))]));
    const pong = await new FrameWatcher(peer).next(({ type, flags }) => type === types.ping && flags === 1);
    assert.equal(pong.payload.toString(), "12345678");
  });

  test("bytes one at a time", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    for (const byte of Buffer.concat([opening, headers(1, request)])) {
      peer.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    assert.equal(await new FrameWatcher(peer).body(1), "ok");
  });

  test("late frames on a stream that the agent has reset", async () => {
    await using pod = await startPod();
    using peer = await pod.peer();
    const watcher = new FrameWatcher(peer);
    peer.write(Buffer.concat([opening, headers(1, [...post, ["te", "gzip"]], 0)]));
    await watcher.rst(1);
    peer.write(Buffer.concat([frame(types.data, 0, 1, Buffer.alloc(100)), headers(1, [["x", "y"]]), headers(3, request)]));
    assert.equal(await watcher.body(3), "ok");
  });
});
