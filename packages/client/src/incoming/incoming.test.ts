// Stolen and mirrored traffic: subscriptions, requests with their responses in every form, raw connections.

import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import type { ClientMessage, DaemonMessage, HttpHeaders, InternalHttpBodyFrame } from "@understudy/protocol";
import {
  AgentError,
  headersFromRaw,
  headerText,
  type IncomingConnection,
  type IncomingRequest,
  type StolenResponse,
  type StealOptions,
  type Subscription,
} from "../index.ts";
import type { Session } from "../session.ts";
import { bodyOf, data, FakeAgent, type FakePeer, startV2 } from "../testing/fakeAgent.ts";

type Steal = Extract<ClientMessage, { kind: "tcpSteal" }>["value"];
const subscribed: DaemonMessage = { kind: "tcpSteal", value: { kind: "subscribeResult", value: { kind: "ok", value: 80 } } };
const closed = (connectionId: number): DaemonMessage => ({ kind: "tcpSteal", value: { kind: "close", value: { connectionId } } });
const tcpData = (connectionId: number, bytes: string): DaemonMessage => ({
  kind: "tcpSteal",
  value: { kind: "data", value: { connectionId, bytes: Buffer.from(bytes) } },
});
const newConnection = (connectionId: number, destinationPort = 80): DaemonMessage => ({
  kind: "tcpSteal",
  value: {
    kind: "newConnectionV2",
    value: {
      connection: { connectionId, remoteAddress: "10.0.0.9", destinationPort, sourcePort: 5000, localAddress: "10.0.0.1" },
      transport: { kind: "tls", value: { alpnProtocol: null, serverName: "app" } },
    },
  },
});

const stealMessage = async (peer: FakePeer): Promise<Steal> => (await peer.expect("tcpSteal")).value;

/** A stolen port 80, its subscription answered. */
async function steal(session: Session, peer: FakePeer, options: StealOptions): Promise<Subscription> {
  const subscribing = session.steal(80, options);
  assert.equal((await stealMessage(peer)).kind, "portSubscribe");
  peer.send(subscribed);
  return await subscribing;
}

/** Steals, and gives each request the same response; resolves before the first one is there. */
async function stealAnswering(
  session: Session,
  peer: FakePeer,
  response: StolenResponse,
): Promise<{ readonly requested: Promise<IncomingRequest> }> {
  const { promise: requested, resolve } = Promise.withResolvers<IncomingRequest>();
  await steal(session, peer, {
    onRequest: (request) => {
      resolve(request);
      return response;
    },
  });
  return { requested };
}

function frameText(frames: readonly InternalHttpBodyFrame[]): string {
  return frames
    .map((frame) => (frame.kind === "data" ? Buffer.from(frame.value).toString() : JSON.stringify(namesOf(frame.value))))
    .join("|");
}

const namesOf = (headers: HttpHeaders): string[] => headers.map(([name]) => name);

async function framedResponse(peer: FakePeer): Promise<{ status: number; text: string; connectionId: number | bigint }> {
  const message = await stealMessage(peer);
  assert.ok(message.kind === "httpResponseFramed", message.kind);
  const { internalResponse, connectionId, port, requestId } = message.value;
  assert.deepEqual([port, requestId], [80, 0]);
  return { status: internalResponse.status, text: frameText(internalResponse.body), connectionId };
}

/** The rest of a streamed response as `start …`, `body …`, `last …` or `error`, until it ends. */
async function chunkedResponse(peer: FakePeer): Promise<string[]> {
  const parts: string[] = [];
  for (;;) {
    const message = await stealMessage(peer);
    assert.ok(message.kind === "httpResponseChunked", message.kind);
    const chunk = message.value;
    if (chunk.kind === "start") parts.push(`start ${chunk.value.internalResponse.status} ${frameText(chunk.value.internalResponse.body)}`);
    else if (chunk.kind === "error") return [...parts, "error"];
    else if (chunk.value.isLast) return [...parts, `last ${frameText(chunk.value.frames)}`];
    else parts.push(`body ${frameText(chunk.value.frames)}`);
  }
}

suite("subscriptions", () => {
  test("carry the filter, and end with a message", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const filter = { kind: "header", value: "x-user: me" } as const;
    const stealing = session.steal(80, { filter });
    assert.deepEqual(await stealMessage(peer), { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [80, filter] } });
    peer.send(subscribed);
    const stolen = await stealing;
    await assert.rejects(session.steal(80, {}), /has port 80 already/);
    const mirroring = session.mirror(80, { filter });
    assert.deepEqual((await peer.expect("tcp")).value, { kind: "portSubscribeFilteredHttp", value: [80, filter] });
    peer.send({ kind: "tcp", value: { kind: "subscribeResult", value: { kind: "ok", value: 80 } } });
    const mirrored = await mirroring;

    const closing = Promise.all([stolen.close(), stolen[Symbol.asyncDispose](), mirrored.close()]);
    assert.deepEqual(await stealMessage(peer), { kind: "portUnsubscribe", value: 80 });
    await peer.expect("ping");
    assert.deepEqual((await peer.expect("tcp")).value, { kind: "portUnsubscribe", value: 80 });
    await peer.expect("ping");
    peer.send({ kind: "pong" }, { kind: "pong" });
    await closing;
    const again = session.steal(80, {});
    assert.deepEqual(await stealMessage(peer), { kind: "portSubscribe", value: { kind: "all", value: 80 } });
    peer.send(subscribed);
    await again;
  });

  test("a refused port is an error of the request, a refused filter the end of the session", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    const taken = session.steal(80, {});
    await stealMessage(peer);
    peer.send({
      kind: "tcpSteal",
      value: { kind: "subscribeResult", value: { kind: "err", value: { kind: "portAlreadyStolen", value: 80 } } },
    });
    await assert.rejects(taken, (error) => error instanceof AgentError && error.message === "steal port 80: port 80 is already stolen");
    const bad = session.steal(80, { filter: { kind: "path", value: "(" } });
    await stealMessage(peer);
    peer.send({ kind: "close", value: "Failed to parse the given HTTP filter: oops" });
    await assert.rejects(bad, /Failed to parse the given HTTP filter: oops/);
  });

  test("a closing one still serves what comes until the agent knows, and waits for it", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
    const subscription = await steal(session, peer, {
      onRequest: async () => {
        await mayAnswer;
        return { status: 200 };
      },
    });
    let isClosed = false;
    const closing = subscription.close().then(() => (isClosed = true));
    await stealMessage(peer);
    await peer.expect("ping");
    peer.send(startV2(0), { kind: "pong" }, { kind: "operatorPing", value: 1n });
    await peer.expect("operatorPong");
    peer.send(startV2(1));
    const late = await stealMessage(peer);
    assert.ok(late.kind === "httpResponse" && late.value.connectionId === 1 && late.value.internalResponse.status === 502);
    assert.equal(isClosed, false);
    answer();
    assert.deepEqual(await framedResponse(peer), { status: 200, text: "", connectionId: 0 });
    await closing;
  });
});

suite("stolen requests", () => {
  test("one right behind the subscription's answer is served, whole, in one message", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const seen: IncomingRequest[] = [];
    const subscribing = session.steal(80, {
      onRequest: async (request) => {
        seen.push(request);
        return { status: 201, headers: headersFromRaw(["X-A", "1"]), body: Buffer.from(`got ${await text(request.body)}`) };
      },
    });
    await stealMessage(peer);
    const headers: HttpHeaders = [["host", [Buffer.from("x")]]];
    peer.send(subscribed, startV2(4, { method: "POST", uri: "/a?b", headers, frames: [data("one"), data(""), data("two")] }));
    await subscribing;
    assert.deepEqual(await framedResponse(peer), { status: 201, text: "got onetwo", connectionId: 4 });
    const [request] = seen;
    assert.ok(request !== undefined);
    assert.deepEqual(
      [request.method, request.uri, request.version, request.port, request.source, headerText(request.headers, "host")],
      ["POST", "/a?b", "HTTP/1.1", 80, { ip: "10.0.0.9", port: 5000 }, "x"],
    );
    assert.equal(request.signal.aborted, false);
  });

  test("bodies stream both ways at once, with trailers at their ends", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    await steal(session, peer, {
      onRequest: ({ body }) => ({
        status: 200,
        body: (async function* () {
          for await (const chunk of body as AsyncIterable<Buffer>) yield Buffer.from(chunk.toString().toUpperCase());
        })(),
        trailers: () => body.trailers,
      }),
    });
    peer.send(startV2(0, { frames: [data("a")], isLast: false }));
    const first = await stealMessage(peer);
    assert.ok(first.kind === "httpResponseChunked" && first.value.kind === "start");
    assert.equal(frameText(first.value.value.internalResponse.body), "A");
    peer.send(bodyOf(0, [data("b")]));
    const second = await stealMessage(peer);
    assert.ok(second.kind === "httpResponseChunked" && second.value.kind === "body");
    assert.deepEqual([frameText(second.value.value.frames), second.value.value.isLast], ["B", false]);
    peer.send(bodyOf(0, [{ kind: "trailers", value: [["x-sum", [Buffer.from("9")]]] }]), bodyOf(0, [], true));
    assert.deepEqual(await chunkedResponse(peer), ['last ["x-sum"]']);
    peer.send(closed(0));
  });

  test("an iterable that is complete at once goes out in one message", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    await steal(session, peer, {
      onRequest: () => ({ status: 200, body: Readable.from([Buffer.from("a"), Buffer.from("b")]), trailers: [["t", []]] }),
    });
    peer.send(startV2(0));
    assert.deepEqual(await framedResponse(peer), { status: 200, text: 'a|b|["t"]', connectionId: 0 });
  });

  test("a large body is cut into pieces that wait for the connection", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const size = 8 * 1024 * 1024;
    let produced = 0;
    await steal(session, peer, {
      onRequest: ({ uri }) => {
        if (uri === "/whole") return { status: 200, body: Buffer.alloc(size, 1) };
        const pieces = (function* () {
          for (; produced < size; produced += 256 * 1024) yield Buffer.alloc(256 * 1024, 2);
        })();
        return { status: 200, body: Readable.from(pieces) };
      },
    });
    for (const uri of ["/whole", "/streamed"]) {
      peer.send(startV2(0, { uri }));
      peer.socket.pause();
      if (uri === "/streamed") {
        for (let last = -1; last !== produced;) {
          last = produced;
          await sleep(100);
        }
        assert.ok(produced < size, "the whole body was produced for an agent that does not read");
      }
      peer.socket.resume();
      let received = 0;
      for (let isLast = false; !isLast;) {
        const message = await stealMessage(peer);
        assert.ok(message.kind === "httpResponseChunked" && message.value.kind !== "error");
        const frames = message.value.kind === "start" ? message.value.value.internalResponse.body : message.value.value.frames;
        for (const frame of frames) if (frame.kind === "data") received += frame.value.length;
        isLast = message.value.kind === "body" && message.value.value.isLast;
      }
      assert.equal(received, size);
      peer.send(closed(0));
    }
  });

  test("what fails before the head is a 502 with the reason", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    await steal(session, peer, {
      onRequest: ({ uri }) => {
        if (uri === "/throws") throw new Error("no such thing");
        if (uri === "/status") return { status: 99, body: Buffer.from("x") };
        return { status: 200, headers: [["bad name", []]], body: new PassThrough() };
      },
    });
    const reasons: string[] = [];
    for (const uri of ["/throws", "/status", "/header"]) {
      peer.send(startV2(0, { uri }));
      const message = await stealMessage(peer);
      assert.ok(message.kind === "httpResponse");
      assert.equal(message.value.internalResponse.status, 502);
      reasons.push(Buffer.from(message.value.internalResponse.body).toString());
      peer.send(closed(0));
    }
    assert.match(reasons.join(""), /^no such thing\nHTTP status: 99 is no integer from 100 to 999\nnot a header name/);
  });

  test("a body that fails midway breaks the response off", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const source = new PassThrough();
    await steal(session, peer, { onRequest: () => ({ status: 200, body: source }) });
    peer.send(startV2(0));
    source.write("half");
    const first = await stealMessage(peer);
    assert.ok(first.kind === "httpResponseChunked" && first.value.kind === "start");
    source.destroy(new Error("gone"));
    assert.equal((await chunkedResponse(peer)).at(-1), "error");
  });

  test("a peer that goes away ends the request's body, its signal and its response", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const source = new PassThrough();
    const { requested } = await stealAnswering(session, peer, { status: 200, body: source });
    peer.send(startV2(0, { frames: [data("x")], isLast: false }));
    const request = await requested;
    assert.equal((await stealMessage(peer)).kind, "httpResponseChunked");
    const reading = text(request.body);
    peer.send(closed(0));
    await assert.rejects(reading, /peer has gone/);
    assert.equal(request.signal.aborted, true);
    if (!source.destroyed) await once(source, "close");
    peer.send({ kind: "operatorPing", value: 1n });
    await peer.expect("operatorPong");
  });

  for (const end of ["closes", "leaves open at the session's end"]) {
    test(`a request that the agent ${end} once it is answered aborts nothing`, async () => {
      await using agent = await FakeAgent.start();
      const { session, peer } = await agent.open();
      await using _ = session;
      const { requested } = await stealAnswering(session, peer, { status: 200, body: Buffer.from("done") });
      peer.send(startV2(0, {}));
      const { signal } = await requested;
      assert.equal((await framedResponse(peer)).text, "done");
      if (end === "closes") {
        peer.send(closed(0), { kind: "operatorPing", value: 1n });
        await peer.expect("operatorPong");
      } else await session[Symbol.asyncDispose]();
      assert.equal(signal.aborted, false);
    });
  }

  test("after an early answer, the close of a request whose body is not complete still tells so", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const { requested } = await stealAnswering(session, peer, { status: 413, body: Buffer.from("too much") });
    peer.send(startV2(0, { frames: [data("x")], isLast: false }));
    const { signal, body } = await requested;
    assert.equal((await framedResponse(peer)).status, 413);
    const broken = once(body, "error");
    peer.send(closed(0));
    await broken;
    assert.equal(signal.aborted, true);
  });

  test("nobody handles, or the port is not stolen: 502", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    await steal(session, peer, {});
    peer.send(startV2(0), startV2(1, { port: 81 }));
    const answers: string[] = [];
    for (let i = 0; i < 2; i++) {
      const message = await stealMessage(peer);
      if (message.kind === "httpResponse") answers.push(Buffer.from(message.value.internalResponse.body).toString());
      if (message.kind === "httpResponseFramed") answers.push(frameText(message.value.internalResponse.body));
    }
    assert.deepEqual(answers.sort(), ["nobody handles requests here\n", "port 81 is no longer stolen\n"]);
  });

  test("old forms of requests are understood, and old agents answered in a form they know", async () => {
    await using agent = await FakeAgent.start();
    const served: string[] = [];
    const onRequest: StealOptions["onRequest"] = async ({ body, source, uri }) => {
      assert.equal(source, null);
      served.push(`${uri} ${await text(body)}`);
      return { status: 200, body: Readable.from([Buffer.from("o"), Buffer.from("k")]) };
    };
    const request = <B>(body: B) => ({
      internalRequest: { method: "POST", uri: "/u", headers: [], version: "HTTP/1.1", body },
      connectionId: 0,
      requestId: 0,
      port: 80,
    });
    const forms: Record<string, DaemonMessage[]> = {
      "1.2.2": [{ kind: "tcpSteal", value: { kind: "httpRequest", value: request(Buffer.from("plain")) } }],
      "1.3.0": [{ kind: "tcpSteal", value: { kind: "httpRequestFramed", value: request([data("fra"), data("med")]) } }],
      "1.7.0": [
        { kind: "tcpSteal", value: { kind: "httpRequestChunked", value: { kind: "startV1", value: request([data("chun")]) } } },
        bodyOf(0, [data("ked")]),
        bodyOf(0, [], true),
      ],
    };
    const answers: string[] = [];
    for (const [version, messages] of Object.entries(forms)) {
      const { session, peer } = await agent.open({}, version);
      await using _ = session;
      if (version !== "1.2.2" && version !== "1.3.0") await peer.expect("readyForLogs");
      await steal(session, peer, { onRequest });
      peer.send(...messages);
      const message = await stealMessage(peer);
      answers.push(message.kind);
      if (message.kind === "httpResponse") assert.equal(Buffer.from(message.value.internalResponse.body).toString(), "ok");
    }
    assert.deepEqual(served, ["/u plain", "/u framed", "/u chunked"]);
    assert.deepEqual(answers, ["httpResponse", "httpResponseFramed", "httpResponseFramed"]);
  });

  test("a request that the agent gives up ends its body", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const { promise: failed, resolve } = Promise.withResolvers<unknown>();
    await steal(session, peer, {
      onRequest: async ({ body }) => {
        await text(body).catch(resolve);
        return { status: 200 };
      },
    });
    peer.send(startV2(0, { frames: [data("x")], isLast: false }), {
      kind: "tcpSteal",
      value: {
        kind: "httpRequestChunked",
        value: { kind: "errorV2", value: { connectionId: 0, requestId: 0, errorMessage: "upload broke" } },
      },
    });
    assert.match(String(await failed), /upload broke/);
  });

  test("one that is answered with an upgrade becomes a connection, in both directions, on the same id", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const requests: IncomingRequest[] = [];
    await steal(session, peer, {
      onRequest: (request) => {
        requests.push(request);
        return {
          status: 101,
          headers: headersFromRaw(["connection", "upgrade", "upgrade", "echo"]),
          onUpgrade: (stream) => {
            stream.write("hello ");
            stream.pipe(stream);
          },
        };
      },
    });
    peer.send(startV2(0, { headers: [["upgrade", [Buffer.from("echo")]]] }));
    assert.deepEqual(await framedResponse(peer), { status: 101, text: "", connectionId: 0 });
    peer.send(tcpData(0, "you"), tcpData(0, ""));
    const received: string[] = [];
    for (;;) {
      const message = await stealMessage(peer);
      assert.ok(message.kind === "data" && message.value.connectionId === 0);
      if (message.value.bytes.length === 0) break;
      received.push(Buffer.from(message.value.bytes).toString());
    }
    assert.equal(received.join(""), "hello you");
    peer.send(closed(0), { kind: "operatorPing", value: 1n });
    await peer.expect("operatorPong");
    assert.equal(requests[0]?.signal.aborted, false);
  });

  test("an upgrade that nobody takes over is a 502", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    await steal(session, peer, { onRequest: () => ({ status: 101 }) });
    peer.send(startV2(0));
    const message = await stealMessage(peer);
    assert.ok(message.kind === "httpResponse" && message.value.internalResponse.status === 502);
  });

  test("the end of the session ends requests in progress", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
    const subscription = await steal(session, peer, {
      onRequest: async ({ signal }) => {
        await once(signal, "abort");
        resolve(signal.reason);
        return { status: 200 };
      },
    });
    peer.send(startV2(0), { kind: "close", value: "over" });
    assert.equal(await aborted, await session.closed);
    await subscription.close();
  });
});

suite("raw connections", () => {
  test("a stolen one ends each direction on its own", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const { promise, resolve } = Promise.withResolvers<IncomingConnection>();
    await steal(session, peer, { onConnection: resolve });
    peer.send(newConnection(0), tcpData(0, "ping"), tcpData(0, ""));
    const { stream, source, port, transport } = await promise;
    assert.deepEqual([source, port], [{ ip: "10.0.0.9", port: 5000 }, 80]);
    assert.deepEqual(transport, { kind: "tls", value: { alpnProtocol: null, serverName: "app" } });
    const received: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => received.push(chunk));
    await once(stream, "end");
    assert.equal(Buffer.concat(received).toString(), "ping");
    stream.end("pong");
    for (const expected of ["pong", ""]) {
      const message = await stealMessage(peer);
      assert.ok(message.kind === "data" && Buffer.from(message.value.bytes).toString() === expected);
    }
    peer.send(closed(0), { kind: "operatorPing", value: 1n });
    await peer.expect("operatorPong");
  });

  test("one that is destroyed, or that nobody takes, is given up", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    await steal(session, peer, { onConnection: ({ stream }) => stream.destroy() });
    peer.send(newConnection(0), newConnection(1, 81));
    const ids = [await stealMessage(peer), await stealMessage(peer)].map(
      (message) => message.kind === "connectionUnsubscribe" && message.value,
    );
    assert.deepEqual(new Set(ids), new Set([0, 1]));
  });

  test("a mirrored one can only be read; mirrored requests are not answered", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const bodies: Promise<string>[] = [];
    const { promise, resolve } = Promise.withResolvers<IncomingConnection>();
    const mirroring = session.mirror(80, { onRequest: ({ body }) => void bodies.push(text(body)), onConnection: resolve });
    assert.deepEqual((await peer.expect("tcp")).value, { kind: "portSubscribe", value: 80 });
    const mirrored = (message: DaemonMessage): DaemonMessage => {
      assert.ok(message.kind === "tcpSteal");
      return { kind: "tcp", value: message.value };
    };
    peer.send(
      ...[
        subscribed,
        startV2(0, { frames: [data("a")], isLast: false }),
        newConnection(1),
        bodyOf(0, [data("b")]),
        bodyOf(0, [], true),
        closed(0),
      ].map(mirrored),
      ...[tcpData(1, "raw"), tcpData(1, ""), closed(1)].map(mirrored),
    );
    await mirroring;
    const { stream } = await promise;
    assert.equal(stream.writable, false);
    assert.equal(await text(stream), "raw");
    assert.deepEqual(await Promise.all(bodies), ["ab"]);
    peer.send({ kind: "operatorPing", value: 1n });
    await peer.expect("operatorPong");
  });
});
