// A SOCKS server in this process, without an agent that answers.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { FakeAgent } from "@understudy/client/testing";
import { Output } from "../../output.ts";
import { TrafficReport } from "../../proxy/trafficReport.ts";
import { startSocksServer } from "./socksServer.ts";

test("a client that does not say what it wants is left after a while; a connect that waits ends with its client", async () => {
  await using agent = await FakeAgent.start();
  const { session, peer } = await agent.open();
  await using _ = session;
  const report = new TrafficReport({ json: true, isDetail: true }, new Output());
  const options = { source: session, report, stopped: new AbortController().signal, credentials: null, handshakeMaxMs: 50 };
  await using server = await startSocksServer({ host: "127.0.0.1", port: 0 }, options);
  const silent = connect(server.address.port, "127.0.0.1");
  await once(silent, "close");

  const waiting = connect(server.address.port, "127.0.0.1");
  waiting.write(Buffer.of(5, 1, 0, 5, 1, 0, 1, 10, 0, 0, 1, 0, 80));
  const { value } = await peer.expect("tcpOutgoing");
  assert.ok(value.kind === "connectV2");
  // An end alone may be the client's half-close.
  waiting.resetAndDestroy();
  await once(waiting, "close");
  // The agent's answer comes too late, and the connection is given back.
  const { uid, remoteAddress } = value.value;
  const connected = { connectionId: 3, remoteAddress, localAddress: remoteAddress };
  peer.send({ kind: "tcpOutgoing", value: { kind: "connectV2", value: { uid, connect: { kind: "ok", value: connected } } } });
  assert.deepEqual((await peer.expect("tcpOutgoing")).value, { kind: "close", value: { connectionId: 3 } });
});
