// Which of a name's addresses are tried when, and which connection is taken, with an agent that does what the test says.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ResponseError, Result, DaemonConnect } from "@understudy/protocol";
import { FakeAgent, type FakePeer } from "../testing/fakeAgent.ts";
import { connectHost } from "./connectHost.ts";

const host = { host: "db", port: 5432 };
const refused: ResponseError = { kind: "remoteIO", value: { rawOsError: 111, kind: { kind: "connectionRefused" } } };

async function answerLookup(peer: FakePeer, ...ips: readonly string[]): Promise<void> {
  const { value } = await peer.expect("getAddrInfoRequestV2");
  assert.equal(value.node, "db");
  peer.send({ kind: "getAddrInfoResponse", value: { kind: "ok", value: ips.map((ip) => ({ name: "db", ip })) } });
}

/** The next connect that is asked for. */
async function attempt(
  peer: FakePeer,
): Promise<{ readonly ip: string; readonly answer: (connect: Result<number, ResponseError>) => void }> {
  const { value } = await peer.expect("tcpOutgoing");
  assert.ok(value.kind === "connectV2" && value.value.remoteAddress.kind === "ip");
  const { uid, remoteAddress } = value.value;
  return {
    ip: value.value.remoteAddress.value.ip,
    answer: (result) => {
      const connect: Result<DaemonConnect, ResponseError> =
        result.kind === "err" ? result : { kind: "ok", value: { connectionId: result.value, remoteAddress, localAddress: remoteAddress } };
      peer.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid, connect } } });
    },
  };
}

suite("connections to hosts", () => {
  test("the next address is tried when one is slow, the first that connects is taken, and a later one is closed", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connecting = connectHost(session, host);
    await answerLookup(peer, "10.0.0.1", "10.0.0.1", "fd00::2");
    const slow = await attempt(peer);
    const next = await attempt(peer);
    assert.deepEqual([slow.ip, next.ip], ["10.0.0.1", "fd00::2"]);
    next.answer({ kind: "ok", value: 2 });
    const connection = await connecting;
    assert.deepEqual(connection.peerAddress, { kind: "ip", value: { ip: "fd00::2", port: 5432 } });
    slow.answer({ kind: "ok", value: 1 });
    assert.deepEqual((await peer.expect("tcpOutgoing")).value, { kind: "close", value: { connectionId: 1 } });
  });

  test("when all are refused the error is that of the first", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connecting = connectHost(session, host);
    await answerLookup(peer, "10.0.0.1", "10.0.0.2");
    (await attempt(peer)).answer({ kind: "err", value: refused });
    (await attempt(peer)).answer({ kind: "err", value: refused });
    await assert.rejects(connecting, { message: "connect to 10.0.0.1:5432: ECONNREFUSED (connection refused)" });
  });

  test("an address is not looked up, in brackets or not", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const connecting = connectHost(session, { host: "[::1]", port: 80 });
    const { ip, answer } = await attempt(peer);
    assert.equal(ip, "::1");
    answer({ kind: "ok", value: 0 });
    await connecting;
  });

  test("giving up ends the waiting for a name and for a connection", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const named = new AbortController();
    const naming = connectHost(session, host, { signal: named.signal });
    await peer.expect("getAddrInfoRequestV2");
    named.abort(new Error("given up"));
    await assert.rejects(naming, /given up/);
    // What comes late is nobody's.
    peer.send({ kind: "getAddrInfoResponse", value: { kind: "ok", value: [] } });

    const stop = new AbortController();
    const connecting = connectHost(session, host, { signal: stop.signal });
    await answerLookup(peer, "10.0.0.1");
    const { answer } = await attempt(peer);
    stop.abort(new Error("given up"));
    await assert.rejects(connecting, /given up/);
    answer({ kind: "ok", value: 4 });
    assert.deepEqual((await peer.expect("tcpOutgoing")).value, { kind: "close", value: { connectionId: 4 } });
  });
});
