// Connections that begin with a header of the PROXY protocol, as load balancers write it in front of what their own peer sends. The agent does not speak it: such a connection is
// nobody's requests but one stream of bytes, header included, whatever comes behind it.
// Format: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { buffer } from "node:stream/consumers";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";
import { RawPeer } from "../peers/rawPeer.ts";

const port = targetPorts.echo;

/** One that a filter for "me" would want. */
const REQUEST = Buffer.from("GET /behind HTTP/1.1\r\nHost: target\r\nX-User: me\r\n\r\n");
const HTTP2 = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";

const headers: Readonly<Record<string, Buffer>> = {
  "version 1": Buffer.from("PROXY TCP4 203.0.113.7 10.99.0.2 56324 7\r\n"),
  "version 1 over IPv6": Buffer.from("PROXY TCP6 2001:db8::7 fd99::2 56324 7\r\n"),
  "version 1 of an unknown peer": Buffer.from("PROXY UNKNOWN\r\n"),
  "version 2": Buffer.from(`${SIGNATURE}\x21\x11\0\x0c\xcb\0\x71\x07\x0a\x63\0\x02\xdc\x04\0\x07`, "latin1"),
  "version 2 of the balancer itself": Buffer.from(`${SIGNATURE}\x20\0\0\0`, "latin1"),
};

/** The bytes of a connection in pieces. */
type Cut = (header: Buffer, rest: Buffer) => readonly Uint8Array[];
const cuts: Readonly<Record<string, Cut>> = {
  "in one piece": (header, rest) => [Buffer.concat([header, rest])],
  "the header alone first": (header, rest) => [header, rest],
  "after the first line break": (header, rest) => [header.subarray(0, 2), header.subarray(2), rest],
  "byte by byte": (header, rest) => [...Array.from(header, (_, at) => header.subarray(at, at + 1)), rest],
};

/** Every header, in front of both versions of HTTP, in all pieces. */
const connections = Object.entries(headers).flatMap(([what, header]) =>
  [REQUEST, HTTP2].flatMap((rest) =>
    Object.entries(cuts).map(([how, cut]) => ({
      name: `${what}, ${how}, in front of ${rest.toString("latin1", 0, 3)}`,
      all: Buffer.concat([header, rest]).toString("latin1"),
      pieces: cut(header, rest),
    })),
  ),
);

suite("a connection that begins with a header of the PROXY protocol", { skip: podSkipReason() }, () => {
  test("goes to the target as it is when requests are stolen by a filter, whatever is behind the header", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const stolen: string[] = [];
    const answer = answerAs("client");
    await session.steal(port, { filter: wantedBy("me"), onRequest: (request) => (stolen.push(request.uri), answer(request)) });
    for (const { name, all, pieces } of connections) {
      using peer = await RawPeer.connect(port);
      await peer.write(...pieces);
      peer.end();
      assert.equal(await peer.ended(), all, name);
      assert.ok(!peer.hasBroken, name);
    }
    assert.deepEqual(stolen, []);
    assert.equal((await get("/plain", { port, headers: as("me") })).body, "client /plain\n");
  });

  test("goes as one to the client that steals the whole port", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const requests: string[] = [];
    const answer = answerAs("client");
    await session.steal(port, {
      onRequest: (request) => (requests.push(request.uri), answer(request)),
      onConnection: ({ stream }) => void buffer(stream).then((bytes) => stream.end(Buffer.concat([Buffer.from("client "), bytes]))),
    });
    for (const { name, all, pieces } of connections) {
      using peer = await RawPeer.connect(port);
      await peer.write(...pieces);
      peer.end();
      assert.equal(await peer.ended(), `client ${all}`, name);
    }
    assert.deepEqual(requests, []);
    assert.equal((await get("/plain", { port })).body, "client /plain\n");
  });

  test("is copied as it is for who mirrors the whole port, and not at all for who mirrors by a filter", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using whole = await agent.connect();
    await using filtering = await agent.connect();
    const requests: string[] = [];
    const copies: Promise<string>[] = [];
    await whole.mirror(port, {
      onRequest: ({ uri }) => void requests.push(uri),
      onConnection: ({ stream }) => void copies.push(buffer(stream).then((bytes) => bytes.toString("latin1"))),
    });
    await filtering.mirror(port, { filter: wantedBy("me"), onRequest: ({ uri }) => void requests.push(uri) });
    for (const { name, all, pieces } of connections) {
      using peer = await RawPeer.connect(port);
      await peer.write(...pieces);
      peer.end();
      assert.equal(await peer.ended(), all, name);
    }
    await Promise.all([whole.ping(), filtering.ping()]);
    const expected = connections.map(({ all }) => all);
    assert.deepEqual(await Promise.all(copies), expected);
    assert.deepEqual(requests, []);
  });
});
