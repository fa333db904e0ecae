// Who has a port changes while connections to it are open: what is under way stays with whom it was, the next request goes to whom the port belongs by then.

import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import type { ConnectionStream } from "@understudy/client";
import type { ClientMessage } from "@understudy/protocol";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podSkipReason, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { encoded, RawClient } from "../pod/rawClient.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";
import { RawPeer } from "../peers/rawPeer.ts";

const { http, echo } = targetPorts;

/** Sends one request on a kept connection. Returns what a client answered, or "target". */
async function ask(peer: RawPeer, path: string): Promise<string> {
  const before = peer.text.length;
  await peer.write(`GET ${path} HTTP/1.1\r\nHost: target\r\nX-User: me\r\n\r\n`);
  // Both kinds of answers end with the path, or soon after it.
  const text = await peer.until((all) => /\r\n\r\n[^]*(\}|\n)$/.test(all.slice(before)));
  const [, body = ""] = text.slice(before).split("\r\n\r\n");
  return body.includes('"by":"target"') ? "target" : body.trim();
}

suite("a port that changes hands", { skip: podSkipReason() }, () => {
  test("gives each request of one kept connection to whom the port belongs at that time", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using first = await agent.connect();
    await using second = await agent.connect();
    using peer = await RawPeer.connect(http);
    const filter = wantedBy("me");
    const claim = await first.steal(http, { filter, onRequest: answerAs("first") });
    using kept = await RawPeer.connect(http);
    assert.equal(await ask(kept, "/1"), "first /1");
    await claim.close();
    assert.equal(await ask(kept, "/2"), "target");
    const other = await second.steal(http, { filter, onRequest: answerAs("second") });
    assert.equal(await ask(kept, "/3"), "second /3");
    await other.close();
    const whole = await first.steal(http, { onRequest: answerAs("owner") });
    assert.equal(await ask(kept, "/4"), "owner /4");
    await whole.close();
    assert.equal(await ask(kept, "/5"), "target");
    // One that was open before anything was redirected stays the target's all the time.
    assert.equal(await ask(peer, "/6"), "target");
  });

  test("is the target's for new connections when its subscription has ended, while stolen connections go on", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const stolen = Promise.withResolvers<ConnectionStream>();
    const claim = await session.steal(echo, { onConnection: ({ stream }) => stolen.resolve(stream) });
    using before = await RawPeer.connect(echo);
    await before.write("\0before");
    const stream = await stolen.promise;
    assert.equal(String((await once(stream, "data"))[0]), "\0before");
    await claim.close();
    using after = await RawPeer.connect(echo);
    await after.write("\0after");
    await after.until((text) => text === "\0after");
    stream.write("client");
    await before.until((text) => text === "client");
    await before.write("\0more");
    assert.equal(String((await once(stream, "data"))[0]), "\0more");
    stream.end("bye");
    assert.equal(await before.ended(), "clientbye");
  });

  test("goes from the one who has all of it to one with a filter, the latest, and the other is told", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    const told: string[] = [];
    await using owning = await agent.connect({ onLog: ({ message }) => void told.push(message) });
    await using filtering = await agent.connect();
    await owning.steal(http, { onRequest: answerAs("owner") });
    assert.equal((await get()).body, "owner /\n");
    await filtering.steal(http, { filter: wantedBy("me"), onRequest: answerAs("filtering") });
    assert.equal((await get("/", { headers: as("me") })).body, "filtering /\n");
    assert.equal(targetSaw(await get()).by, "target");
    await owning.ping();
    assert.match(told.join("\n"), /^Port 80 is now stolen by another user/);
  });

  test("is not disturbed by what a client says about connections and requests that are not there", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(http, { filter: wantedBy("me"), onRequest: answerAs("client") });
    using lying = await RawClient.connect();
    const subscribe: ClientMessage = {
      kind: "tcpSteal",
      value: { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [http, { kind: "header", value: "^x-user: liar$" }] } },
    };
    const internalResponse = { status: 200, version: "HTTP/1.1", headers: [], body: [] };
    const saying = ([0, 1, 2 ** 40] as const).flatMap((connectionId): ClientMessage[] => [
      { kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes: Buffer.from("nobody's") } } },
      { kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes: Buffer.alloc(0) } } },
      { kind: "tcpSteal", value: { kind: "connectionUnsubscribe", value: connectionId } },
      { kind: "tcp", value: { kind: "connectionUnsubscribe", value: connectionId } },
      { kind: "tcpSteal", value: { kind: "httpResponseFramed", value: { port: http, connectionId, requestId: 0, internalResponse } } },
      { kind: "tcpSteal", value: { kind: "httpResponseFramed", value: { port: 1, connectionId, requestId: 7, internalResponse } } },
    ]);
    lying.send(encoded({ kind: "switchProtocolVersion", value: "1.29.0" }, subscribe, ...saying));
    lying.send(
      encoded(
        { kind: "tcpSteal", value: { kind: "portUnsubscribe", value: 9 } },
        { kind: "tcp", value: { kind: "portUnsubscribe", value: http } },
      ),
    );
    lying.end();
    // All that it said has been taken by then.
    await lying.closed();
    for (let i = 0; i < 3; i++) assert.equal((await get(`/${i}`, { headers: as("me") })).body, `client /${i}\n`);
    assert.equal(targetSaw(await get()).by, "target");
    await session.ping();
    assert.deepEqual(
      agent.log.filter(({ level }) => level !== "INFO"),
      [],
    );
  });
});
