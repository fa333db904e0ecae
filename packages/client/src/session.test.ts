// Opening and ending sessions, and the requests that are answered one by one.

import assert from "node:assert/strict";
import { once } from "node:events";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import type { DaemonMessage, LogMessage } from "@understudy/protocol";
import { AgentError, connectAgent, openSession, SessionClosedError, UnsupportedByAgentError } from "./index.ts";
import { FakeAgent, FakePeer } from "./testing/fakeAgent.ts";

const endsAs = (end: string) => (error: unknown) => error instanceof SessionClosedError && error.end === end;

suite("opening a session", () => {
  test("agrees on the lower version and asks for log messages", async () => {
    await using agent = await FakeAgent.start();
    const logs: LogMessage[] = [];
    const { promise: logged, resolve } = Promise.withResolvers<void>();
    const { session, peer } = await agent.open({
      onLog: (message) => {
        logs.push(message);
        resolve();
      },
    });
    await using _ = session;
    assert.equal(session.version, "1.29.0");
    peer.send({ kind: "logMessage", value: { level: "warn", message: "careful" } });
    await logged;
    assert.deepEqual(logs, [{ level: "warn", message: "careful" }]);
  });

  test("works over any duplex stream", async () => {
    const [ours, theirs] = duplexPair();
    const peer = new FakePeer(theirs as never);
    const opened = openSession(ours);
    await peer.handshake();
    await using session = await opened;
    const pinged = session.ping();
    await peer.expect("ping");
    peer.send({ kind: "pong" });
    assert.ok((await pinged) >= 0);
  });

  test("sends nothing that an old agent does not know", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open({}, "1.2.5");
    await using _ = session;
    await assert.rejects(session.reverseLookup("10.0.0.1"), UnsupportedByAgentError);
    await assert.rejects(session.files.readlink("/a"), /needs protocol 1\.6\.0, the agent speaks 1\.2\.5/);
    const all = { kind: "composite", value: { all: true, filters: [{ kind: "path", value: "^/" }] } } as const;
    await assert.rejects(session.steal(80, { filter: all }), /a filter made of several needs protocol 1\.11\.0/);
    await assert.rejects(session.mirror(80, { filter: { kind: "path", value: "^/" } }), UnsupportedByAgentError);
    const found = session.lookup("db");
    assert.deepEqual(await peer.next(), { kind: "getAddrInfoRequest", value: { node: "db" } });
    peer.send({ kind: "getAddrInfoResponse", value: { kind: "ok", value: [] } });
    assert.deepEqual(await found, []);
  });

  test("an agent that does not answer is given up", async () => {
    await using agent = await FakeAgent.start();
    const accepted = agent.accept();
    await assert.rejects(connectAgent({ host: "127.0.0.1", port: agent.port, handshakeTimeoutMs: 20 }), endsAs("timeout"));
    await accepted;
  });

  test("a server that is no agent is named as such", async () => {
    await using agent = await FakeAgent.start();
    void agent.accept().then(({ socket }) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await assert.rejects(connectAgent({ host: "127.0.0.1", port: agent.port }), /what is no message at byte 0 of its stream/);
  });

  test("a port where nobody listens gives the system's error", async () => {
    await using agent = await FakeAgent.start();
    const { port } = agent;
    await agent[Symbol.asyncDispose]();
    await assert.rejects(connectAgent({ host: "127.0.0.1", port }), { code: "ECONNREFUSED" });
  });

  test("its signal ends it while it is being opened and later", async () => {
    await using agent = await FakeAgent.start();
    const early = new AbortController();
    void agent.accept().then(() => early.abort());
    await assert.rejects(connectAgent({ host: "127.0.0.1", port: agent.port, signal: early.signal }));
    const late = new AbortController();
    const { session } = await agent.open({ signal: late.signal });
    const pinged = assert.rejects(session.ping(), endsAs("aborted"));
    late.abort();
    await pinged;
    assert.equal((await session.closed).end, "aborted");
  });
});

suite("requests", () => {
  test("answers without ids go to the oldest request of their kind", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const first = session.lookup("a", "both");
    const second = session.lookup("b", "ipv6Only");
    const env = session.env({ filter: ["*_TOKEN"], select: ["A*"] });
    const name = session.reverseLookup("10.0.0.1");
    const asked = (await peer.expect("getAddrInfoRequestV2")).value;
    assert.deepEqual([asked.node, asked.family], ["a", "both"]);
    await peer.expect("getAddrInfoRequestV2");
    assert.deepEqual((await peer.expect("getEnvVarsRequest")).value, {
      envVarsFilter: new Set(["*_TOKEN"]),
      envVarsSelect: new Set(["A*"]),
    });
    assert.deepEqual((await peer.expect("reverseDnsLookup")).value, { ipAddress: "10.0.0.1" });
    peer.send(
      { kind: "reverseDnsLookup", value: { kind: "ok", value: { hostname: { kind: "ok", value: "db.local" } } } },
      { kind: "getEnvVarsResponse", value: { kind: "ok", value: new Map([["A", "1"]]) } },
      { kind: "getAddrInfoResponse", value: { kind: "ok", value: [{ name: "a.", ip: "10.0.0.2" }] } },
      {
        kind: "getAddrInfoResponse",
        value: { kind: "err", value: { kind: "dnsLookup", value: { kind: { kind: "noRecordsFound", value: 3 } } } },
      },
    );
    assert.deepEqual(await first, [{ name: "a.", ip: "10.0.0.2" }]);
    await assert.rejects(second, { name: "AgentError", message: "look up b: no records found (response code 3)" });
    assert.deepEqual(await env, new Map([["A", "1"]]));
    assert.equal(await name, "db.local");
  });

  test("a failed reverse lookup is the inner error", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const name = session.reverseLookup("10.0.0.1");
    await peer.next();
    const error = { kind: "remoteIO", value: { rawOsError: null, kind: { kind: "other" } } } as const;
    peer.send({ kind: "reverseDnsLookup", value: { kind: "ok", value: { hostname: { kind: "err", value: error } } } });
    await assert.rejects(name, (thrown) => thrown instanceof AgentError && thrown.response.kind === "remoteIO" && thrown.code === null);
  });

  test("what has no form on the wire is refused and disturbs nothing", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    await assert.rejects(session.reverseLookup("not an address"), { name: "EncodeError" });
    await assert.rejects(session.connectTcp({ ip: "10.0.0.1", port: 70_000 }), { name: "EncodeError" });
    await assert.rejects(session.steal(70_000, {}), { name: "EncodeError" });
    const pinged = session.ping();
    await peer.expect("ping");
    peer.send({ kind: "pong" });
    await pinged;
  });

  test("an operator's ping is answered", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    peer.send({ kind: "operatorPing", value: 7n });
    assert.deepEqual(await peer.next(), { kind: "operatorPong", value: 7n });
  });
});

suite("the end of a session", () => {
  const pending = async (session: Awaited<ReturnType<FakeAgent["open"]>>["session"]) => {
    const requests = [
      session.ping(),
      session.env(),
      session.lookup("a"),
      session.reverseLookup("::1"),
      session.files.open("/a"),
      session.files.readFile("/b"),
      session.connectTcp({ ip: "10.0.0.1", port: 1 }),
      session.connectUdp({ ip: "10.0.0.1", port: 1 }),
      session.steal(80, {}),
      session.mirror(80, {}),
    ];
    const results = await Promise.allSettled(requests);
    return results.map((result) =>
      result.status === "rejected" && result.reason instanceof SessionClosedError ? result.reason.end : result.status,
    );
  };

  test("rejects everything that waits, with the reason", async () => {
    await using agent = await FakeAgent.start();
    const ends: Record<string, (peer: FakePeer) => void> = {
      closedByAgent: (peer) => peer.send({ kind: "close", value: "no more" }),
      connectionLost: (peer) => peer.socket.resetAndDestroy(),
      malformed: (peer) => peer.socket.write(Buffer.from([255])),
    };
    for (const [end, act] of Object.entries(ends)) {
      const { session, peer } = await agent.open();
      const waiting = pending(session);
      await peer.next();
      act(peer);
      assert.deepEqual(new Set(await waiting), new Set([end]));
      const reason = await session.closed;
      assert.equal(reason.end, end);
      assert.equal(reason.agentText, end === "closedByAgent" ? "no more" : null);
      // And later requests are not forgotten either.
      assert.deepEqual(new Set(await pending(session)), new Set([end]));
    }
  });

  test("an agent that stops inside a message is named as such", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    peer.socket.end(Buffer.from([5]));
    assert.match((await session.closed).message, /ended the connection inside a message/);
  });

  test("an answer that nobody asked for ends it", async () => {
    await using agent = await FakeAgent.start();
    const unasked: DaemonMessage[] = [
      { kind: "pong" },
      { kind: "file", value: { kind: "unlink", value: { kind: "ok", value: null } } },
      {
        kind: "tcpOutgoing",
        value: { kind: "connectV2", value: { uid: 9n, connect: { kind: "err", value: { kind: "notImplemented" } } } },
      },
      { kind: "tcpSteal", value: { kind: "subscribeResult", value: { kind: "ok", value: 80 } } },
      { kind: "pauseTarget", value: { kind: "pauseResponse", value: { changed: false, containerPaused: false } } },
    ];
    for (const message of unasked) {
      const { session, peer } = await agent.open();
      peer.send(message);
      const reason = await session.closed;
      assert.equal(reason.end, "malformed");
      assert.match(reason.message, new RegExp(`the agent sent ${message.kind}`));
    }
  });

  test("disposing says good-bye, also twice", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    const ended = once(peer.socket, "end");
    await Promise.all([session[Symbol.asyncDispose](), session[Symbol.asyncDispose]()]);
    await peer.expect("close");
    await ended;
    assert.equal((await session.closed).end, "disposed");
    await session[Symbol.asyncDispose]();
  });

  test("a missing pong ends it, other traffic does not", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open({ pingIntervalMs: 10, pingTimeoutMs: 150 });
    await peer.expect("ping");
    const chatter = setInterval(() => peer.send({ kind: "logMessage", value: { level: "info", message: "alive" } }), 40);
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, 400);
    await Promise.race([answered, session.closed.then(() => assert.fail("ended although the agent was alive"))]);
    clearInterval(chatter);
    const reason = await session.closed;
    assert.equal(reason.end, "timeout");
  });

  test("periodic pings go on while they are answered", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open({ pingIntervalMs: 5, pingTimeoutMs: 1000 });
    await using _ = session;
    for (let i = 0; i < 3; i++) {
      await peer.expect("ping");
      peer.send({ kind: "pong" });
    }
  });
});
