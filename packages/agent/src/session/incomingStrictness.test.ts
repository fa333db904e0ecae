// Requests that servers are known to read differently, through whole connections. What can be read in two ways is never judged: the target gets it, byte for byte, and everything
// behind it; or, where a client has answered on the connection before, nobody does. What is clear is read alike by the agent, by the client it goes to, and by Node's own parser.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import { after, before, suite, test } from "node:test";
import { AMBIGUOUS_HEADS, CLEAR_REQUESTS, MALFORMED_BODIES } from "../incoming/http/requestCasesFixture.ts";
import { assertGivenBack, manualTarget, nextClose, nextStart, nextSteal, payload, respond, settled } from "./incomingActorsFixture.ts";
import { type Peer, PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const STOLEN = "GET /probe HTTP/1.1\r\nHost: shop\r\nx-stolen: yes\r\n\r\n";
const named = (text: string): string => JSON.stringify(text.length > 150 ? `${text.slice(0, 150)}…` : text);

/** The same request, wanted by the client; null where there is no place for a header. */
function wanted(text: string): string | null {
  const line = /^(?:\r\n)*[^\r\n]* HTTP\/1\.[01]\r\n/.exec(text)?.[0];
  return line === undefined ? null : `${line}x-stolen: yes\r\n${text.slice(line.length)}`;
}

async function stealOne(peer: Peer, client: Client): Promise<void> {
  peer.write(STOLEN);
  const { connectionId } = await nextStart(client);
  respond(client, connectionId, "mine");
  await peer.until((text) => text.endsWith("mine"));
  assert.equal(await nextClose(client), connectionId);
}

suite("a request that can be read in two ways", () => {
  const target = manualTarget();
  let pod: PodUnderTest;
  let client: Client;
  before(async () => {
    pod = await PodUnderTest.start(target.server, { detectionTimeoutMs: 30, detectsQuickly: false });
    client = await pod.client();
    await pod.steal(client, "^x-stolen: yes$");
  });
  after(async () => {
    client[Symbol.dispose]();
    await assertGivenBack(pod);
    await pod[Symbol.asyncDispose]();
  });

  async function assertUnheard(): Promise<void> {
    await settled(client);
    assert.deepEqual(
      client.messages.filter(({ kind }) => kind === "tcpSteal"),
      [],
    );
  }

  /** The target gets all of it, and its answer reaches the peer as it is. */
  async function assertRaw(peer: Peer, text: string): Promise<void> {
    const socket = await target.next();
    await socket.until((all) => all.length >= text.length);
    assert.ok(socket.text === text, `the target got ${JSON.stringify(socket.text.slice(0, 300))}`);
    const before = peer.text.length;
    socket.socket.write("no HTTP at all\r\n\r\n");
    assert.equal((await peer.until((all) => all.length > before)).slice(before), "no HTTP at all\r\n\r\n");
    peer.socket.end(STOLEN);
    assert.ok((await socket.ended()) === text + STOLEN);
    await assertUnheard();
  }

  const heads = Object.values(AMBIGUOUS_HEADS).flat();
  const bodies = Object.values(MALFORMED_BODIES).flat();
  for (const request of [...heads, ...bodies]) {
    test(`is the target's, with all that follows: ${named(request)}`, async () => {
      for (const text of [request, wanted(request)]) {
        if (text === null) continue;
        using peer = await pod.peer();
        peer.socket.write(text + STOLEN, "latin1");
        await assertRaw(peer, text + STOLEN);
      }
    });
  }

  for (const request of heads) {
    test(`is refused once a client has answered: ${named(request)}`, async () => {
      const before = target.count;
      using peer = await pod.peer();
      await stealOne(peer, client);
      peer.socket.write(request + STOLEN, "latin1");
      assert.match(await peer.ended(), /mineHTTP\/1\.1 400 Bad Request\r\nconnection: close\r\n[^]*\r\n\r\n$/);
      await assertUnheard();
      assert.equal(target.count, before);
    });
  }

  for (const request of bodies) {
    test(`is broken off when a client has heard of it: ${named(request)}`, async () => {
      const text = wanted(request)!;
      const bodyStart = text.indexOf("\r\n\r\n") + 4;
      const before = target.count;
      using peer = await pod.peer();
      peer.socket.write(text.slice(0, bodyStart), "latin1");
      const { connectionId } = await nextStart(client);
      peer.socket.write(text.slice(bodyStart) + STOLEN, "latin1");
      assert.equal(await nextClose(client), connectionId);
      await peer.ended();
      assert.equal(peer.text, "");
      await assertUnheard();
      client.messages.length = 0;
      assert.equal(target.count, before);
    });
  }
});

interface Seen {
  readonly method: string;
  readonly uri: string;
  readonly body: string;
}

/** A target that is Node's HTTP server, and records the bytes before it sees them. */
class ParsingTarget {
  readonly server: Server;
  readonly seen: Seen[] = [];
  received = "";

  constructor() {
    const http = createHttpServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
      request.on("end", () => {
        this.seen.push({ method: request.method ?? "", uri: request.url ?? "", body });
        response.writeHead(200, { "x-target": this.seen.length, "content-length": 0 }).end();
      });
    });
    this.server = createServer({ noDelay: true }, (socket: Socket) => {
      const [outside, inside] = duplexPair();
      socket.on("data", (chunk: Buffer) => (this.received += chunk.toString("latin1")));
      socket.on("error", () => outside.destroy());
      socket.pipe(outside).pipe(socket);
      http.emit("connection", inside);
    });
  }
}

async function writeCut(socket: Socket, text: string, size: number): Promise<void> {
  for (let at = 0; at < text.length; at += size) {
    if (!socket.write(text.slice(at, at + size), "latin1")) await once(socket, "drain");
    if (size < text.length) await new Promise((resolve) => setImmediate(resolve));
  }
}

suite("a clear request", () => {
  const target = new ParsingTarget();
  let pod: PodUnderTest;
  let client: Client;
  before(async () => {
    pod = await PodUnderTest.start(target.server);
    client = await pod.client();
    await pod.steal(client, "^x-stolen: yes$");
  });
  after(async () => {
    client[Symbol.dispose]();
    await assertGivenBack(pod);
    await pod[Symbol.asyncDispose]();
  });

  /** Passed on, stolen, and passed on again, all on one connection. */
  async function runThrough(text: string, expected: Seen, size: number): Promise<void> {
    using peer = await pod.peer();
    for (let round = 0; round < 2; round++) {
      target.received = "";
      target.seen.length = 0;
      const length = peer.text.length;
      await writeCut(peer.socket, text, size);
      await peer.until((all) => /x-target: 1\r\n[^]*\r\n\r\n$/.test(all.slice(length)));
      assert.ok(target.received === text, "the target got other bytes");
      assert.deepEqual(target.seen, [expected]);

      await writeCut(peer.socket, wanted(text)!, size);
      const { connectionId, request } = await nextStart(client);
      const frames = [...request.body.frames];
      for (let isLast = request.body.isLast; !isLast;) {
        const message = await nextSteal(client);
        assert.ok(message.kind === "httpRequestChunked" && message.value.kind === "body");
        frames.push(...message.value.value.frames);
        ({ isLast } = message.value.value);
      }
      assert.deepEqual({ method: request.method, uri: request.uri, body: payload(frames) }, expected);
      const before = peer.text.length;
      respond(client, connectionId, "", { headers: [["x-client", [Buffer.from("1")]]] });
      await peer.until((all) => /x-client: 1\r\n[^]*\r\n\r\n$/.test(all.slice(before)));
      assert.equal(await nextClose(client), connectionId);
    }
    peer.socket.end();
    await peer.ended();
  }

  for (const { text, ...expected } of CLEAR_REQUESTS) {
    test(`is read alike by everybody: ${named(text)}`, async () => {
      await runThrough(text, expected, text.length);
      await runThrough(text, expected, text.length > 1000 ? 997 : 1);
    });
  }
});
