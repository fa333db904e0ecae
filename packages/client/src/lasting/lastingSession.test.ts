// Sessions that break under a lasting one: what comes back, what is told to whom, and what is final.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { DaemonMessage } from "@understudy/protocol";
import { connectAgent, LastingSession, type LastingSessionOptions, SessionClosedError, textResponse } from "../index.ts";
import { FakeAgent, type FakePeer, startV2 } from "../testing/fakeAgent.ts";

const granted = (port: number): DaemonMessage => ({
  kind: "tcpSteal",
  value: { kind: "subscribeResult", value: { kind: "ok", value: port } },
});
const refused = (port: number): DaemonMessage => ({
  kind: "tcpSteal",
  value: { kind: "subscribeResult", value: { kind: "err", value: { kind: "portAlreadyStolen", value: port } } },
});
const mirrorGranted = (port: number): DaemonMessage => ({
  kind: "tcp",
  value: { kind: "subscribeResult", value: { kind: "ok", value: port } },
});

/** The next session's other end. Must be asked for before the client connects. */
async function nextPeer(agent: FakeAgent): Promise<FakePeer> {
  const peer = await agent.accept();
  await peer.handshake();
  return peer;
}

async function opened(agent: FakeAgent, options: LastingSessionOptions = {}): Promise<{ lasting: LastingSession; peer: FakePeer }> {
  const peer = nextPeer(agent);
  const connect = (signal: AbortSignal) => connectAgent({ host: "127.0.0.1", port: agent.port, signal });
  return { lasting: await LastingSession.open(connect, { firstDelayMs: 5, maxDelayMs: 20, ...options }), peer: await peer };
}

/** Expects the subscription of a port and grants it. */
async function grant(peer: FakePeer, port: number): Promise<void> {
  const { value } = await peer.expect("tcpSteal");
  assert.deepEqual(value, { kind: "portSubscribe", value: { kind: "all", value: port } });
  peer.send(granted(port));
}

suite("a lasting session", () => {
  test("subscribes again after the connection broke, for the same handlers, and aborts what was in progress", async () => {
    await using agent = await FakeAgent.start();
    const told: string[] = [];
    const restored = Promise.withResolvers<void>();
    const { lasting, peer } = await opened(agent, {
      onLost: ({ end }) => told.push(`lost: ${end}`),
      onRestored: () => (told.push("restored"), restored.resolve()),
    });
    await using _ = lasting;
    const aborted = Promise.withResolvers<unknown>();
    const started = Promise.withResolvers<void>();
    const stealing = lasting.steal(80, {
      onRequest: ({ uri, signal }) => {
        if (uri !== "/waits") return textResponse(200, uri);
        signal.addEventListener("abort", () => aborted.resolve(signal.reason));
        started.resolve();
        return new Promise(() => undefined);
      },
    });
    await grant(peer, 80);
    const subscription = await stealing;
    const mirroring = lasting.mirror(81, {});
    assert.deepEqual((await peer.expect("tcp")).value, { kind: "portSubscribe", value: 81 });
    peer.send(mirrorGranted(81));
    await mirroring;
    const first = await lasting.session();
    peer.send(startV2(0, { uri: "/waits" }));
    await started.promise;

    const second = nextPeer(agent);
    peer.socket.destroy();
    const reason = await aborted.promise;
    assert.ok(reason instanceof SessionClosedError && reason.end === "connectionLost");
    const waiting = lasting.session();
    const again = await second;
    await grant(again, 80);
    await again.expect("tcp");
    again.send(mirrorGranted(81));
    await restored.promise;
    const session = await waiting;
    assert.notEqual(session, first);
    assert.equal(await lasting.session(), session);
    again.send(startV2(0, { uri: "/again" }));
    const answer = (await again.expect("tcpSteal")).value;
    assert.ok(answer.kind === "httpResponseFramed" && answer.value.internalResponse.status === 200);
    assert.deepEqual(told, ["lost: connectionLost", "restored"]);
    // The subscription of before is that of now.
    const closing = subscription.close();
    assert.deepEqual((await again.expect("tcpSteal")).value, { kind: "portUnsubscribe", value: 80 });
    await again.expect("ping");
    again.send({ kind: "pong" });
    await closing;
    assert.equal(await subscription.ended, null);
  });

  test("goes on when the agent refuses one port the second time, and tells that port's owner", async () => {
    await using agent = await FakeAgent.start();
    const restored = Promise.withResolvers<void>();
    const { lasting, peer } = await opened(agent, { onRestored: restored.resolve });
    await using _ = lasting;
    const stealing = [lasting.steal(80, {}), lasting.steal(81, {})];
    await grant(peer, 80);
    await grant(peer, 81);
    const [lost, kept] = await Promise.all(stealing);
    const second = nextPeer(agent);
    peer.socket.destroy();
    const again = await second;
    await again.expect("tcpSteal");
    again.send(refused(80));
    await grant(again, 81);
    await restored.promise;
    assert.match((await lost?.ended)?.message ?? "", /port 80 is already stolen/);
    const stillOpen = Symbol("open");
    assert.equal(await Promise.race([kept?.ended, Promise.resolve(stillOpen)]), stillOpen);
    await lost?.close();
    const third = nextPeer(agent);
    again.socket.destroy();
    await grant(await third, 81);
  });

  test("leaves out what was closed while there was no connection, and takes what is asked for then", async () => {
    await using agent = await FakeAgent.start();
    const lost = Promise.withResolvers<void>();
    const { lasting, peer } = await opened(agent, { onLost: () => lost.resolve() });
    await using _ = lasting;
    const stealing = lasting.steal(80, {});
    await grant(peer, 80);
    const subscription = await stealing;
    const second = nextPeer(agent);
    peer.socket.destroy();
    await lost.promise;
    await subscription.close();
    const later = lasting.steal(81, {});
    const again = await second;
    await grant(again, 81);
    assert.equal((await later).port, 81);
  });

  test("tries again for as long as nobody answers, and tells each failure", async () => {
    const failures: unknown[] = [];
    const triedTwice = Promise.withResolvers<void>();
    await using agent = await FakeAgent.start();
    let mayConnect = true;
    const connect = async (signal: AbortSignal) => {
      if (!mayConnect) throw new Error("no route");
      return await connectAgent({ host: "127.0.0.1", port: agent.port, signal });
    };
    const accepted = nextPeer(agent);
    await using lasting = await LastingSession.open(connect, {
      firstDelayMs: 1,
      maxDelayMs: 4,
      onAttemptFailed: (error) => {
        failures.push(error);
        if (failures.length === 2) triedTwice.resolve();
      },
    });
    const peer = await accepted;
    mayConnect = false;
    peer.socket.destroy();
    await triedTwice.promise;
    mayConnect = true;
    await nextPeer(agent);
    await lasting.session();
    assert.match(String(failures[0]), /no route/);
  });

  test("is over when the agent says that it closes the session", async () => {
    await using agent = await FakeAgent.start();
    const { lasting, peer } = await opened(agent);
    await using _ = lasting;
    const stealing = lasting.steal(80, {});
    await grant(peer, 80);
    const subscription = await stealing;
    const bad = lasting.steal(81, { filter: { kind: "path", value: "(" } });
    await peer.expect("tcpSteal");
    peer.send({ kind: "close", value: "no such filter" });
    await assert.rejects(bad, /no such filter/);
    assert.equal((await lasting.closed).end, "closedByAgent");
    assert.match((await subscription.ended)?.message ?? "", /no such filter/);
    await assert.rejects(lasting.session(), /no such filter/);
  });

  test("ends while it waits for an agent: by disposal, and by its signal; a wait ends by its own", async () => {
    const attempted = async (options: LastingSessionOptions) => {
      const agent = await FakeAgent.start();
      const failed = Promise.withResolvers<void>();
      const { lasting } = await opened(agent, { ...options, onAttemptFailed: () => failed.resolve() });
      await agent[Symbol.asyncDispose]();
      await failed.promise;
      return lasting;
    };
    const disposed = await attempted({});
    await assert.rejects(disposed.session({ signal: AbortSignal.abort(new Error("enough")) }), /enough/);
    const giveUp = new AbortController();
    const givenUp = disposed.session({ signal: giveUp.signal });
    giveUp.abort(new Error("waited enough"));
    await assert.rejects(givenUp, /waited enough/);
    const waiting = disposed.session();
    await disposed[Symbol.asyncDispose]();
    await assert.rejects(waiting, (error) => error instanceof SessionClosedError && error.end === "disposed");
    const stop = new AbortController();
    const stopped = await attempted({ signal: stop.signal });
    stop.abort();
    assert.equal((await stopped.closed).end, "aborted");
  });
});
