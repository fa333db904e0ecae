// Peers, targets and requests of which there are few: each gets what it would get without an agent, or what the client that takes it says.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, Pod, podIpv4, podSkipReason, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";
import { listening, startInPod } from "../peers/peerPrograms.ts";
import { RawPeer } from "../peers/rawPeer.ts";

const { http, echo } = targetPorts;

/** The beginning of a TLS handshake: a record with a ClientHello, as far as anybody has to look at it, and bytes of another. */
const CLIENT_HELLO = Buffer.concat([
  Buffer.from([0x16, 3, 1, 0, 0x2f, 1, 0, 0, 0x2b, 3, 3]),
  Buffer.alloc(32, 0x47),
  Buffer.from([0, 0, 4, 0x13, 1, 0x13, 2, 1, 0]),
]);

suite("what is unusual at a stolen port", { skip: podSkipReason() }, () => {
  test("a peer that ends its direction before it says anything is a connection without bytes, for the client as for the target", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const filtered = await session.steal(echo, { filter: wantedBy("me"), onRequest: answerAs("client") });
    using passed = await RawPeer.connect(echo);
    passed.end();
    assert.equal(await passed.ended(), "");
    assert.ok(!passed.hasBroken);
    await filtered.close();
    await session.steal(echo, {
      onConnection: ({ stream }) => void text(stream).then((received) => stream.end(`client got ${JSON.stringify(received)}`)),
    });
    using stolen = await RawPeer.connect(echo);
    stolen.end();
    assert.equal(await stolen.ended(), 'client got ""');
  });

  test("TLS at a port that is configured for none is a connection like any other", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const filtered = await session.steal(echo, { filter: wantedBy("me"), onRequest: answerAs("client") });
    const sent = CLIENT_HELLO.toString("latin1");
    for (const cut of [0, 1, 5, 20]) {
      using passed = await RawPeer.connect(echo);
      await passed.write(CLIENT_HELLO.subarray(0, cut), CLIENT_HELLO.subarray(cut));
      await passed.until((all) => all === sent);
    }
    await filtered.close();
    await session.steal(echo, { onConnection: ({ stream }) => void stream.once("data", (bytes: Buffer) => stream.end(bytes)) });
    using stolen = await RawPeer.connect(echo);
    await stolen.write(CLIENT_HELLO);
    assert.equal(await stolen.ended(), sent);
  });

  test("a method of the peer's own is wanted by a filter that names it, in whatever case, and by no other", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(echo, {
      filter: { kind: "method", value: { kind: "other", value: "purge" } },
      onRequest: ({ method, uri }) => ({ status: 200, body: Buffer.from(`client ${method} ${uri}`) }),
    });
    const request = (method: string): string => `${method} /cache HTTP/1.1\r\nHost: target\r\n\r\n`;
    for (const method of ["PURGE", "Purge"]) {
      using stolen = await RawPeer.connect(echo);
      await stolen.write(request(method));
      await stolen.until((all) => all.endsWith(`client ${method} /cache`));
    }
    // What the target says is no HTTP, but what it got.
    using passed = await RawPeer.connect(echo);
    await passed.write(request("PURGES"));
    await passed.until((all) => all === request("PURGES"));
  });

  test("a header whose value is not ASCII hides itself from filters, not the others, and reaches whoever answers as it is", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const names: string[] = [];
    await session.steal(echo, {
      filter: { kind: "header", value: "^x-(user|name): .*me" },
      onRequest: ({ headers }) => {
        for (const [name, values] of headers)
          if (name === "x-name") names.push(...values.map((value) => Buffer.from(value).toString("latin1")));
        return { status: 200, body: Buffer.from("client") };
      },
    });
    const name = "X-Name: J\xf6rg me\r\n";
    const hidden = `GET / HTTP/1.1\r\nHost: target\r\n${name}\r\n`;
    using passed = await RawPeer.connect(echo);
    await passed.write(hidden);
    await passed.until((all) => all === hidden);
    using stolen = await RawPeer.connect(echo);
    await stolen.write(`GET / HTTP/1.1\r\nHost: target\r\n${name}X-User: me\r\n\r\n`);
    await stolen.until((all) => all.endsWith("client"));
    assert.deepEqual(names, ["J\xf6rg me"]);
  });

  test("a client that never answers keeps its own peers waiting and nobody else, until they leave, of which it is told", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const waiting: Promise<void>[] = [];
    const arrived = Promise.withResolvers<void>();
    const answer = answerAs("client");
    await session.steal(http, {
      filter: wantedBy("me"),
      onRequest: (request) => {
        if (request.uri !== "/slow") return answer(request);
        waiting.push(new Promise((resolve) => request.signal.addEventListener("abort", () => resolve())));
        if (waiting.length === 3) arrived.resolve();
        return new Promise(() => undefined);
      },
    });
    const peers = await Promise.all([1, 2, 3].map(() => RawPeer.connect(http)));
    for (const peer of peers) await peer.write("GET /slow HTTP/1.1\r\nHost: target\r\nX-User: me\r\n\r\n");
    await arrived.promise;
    assert.equal((await get("/quick", { headers: as("me") })).body, "client /quick\n");
    assert.equal(targetSaw(await get("/theirs")).by, "target");
    for (const peer of peers) assert.equal(peer.text, "");
    for (const peer of peers) peer.reset();
    await Promise.all(waiting);
    await session.ping();
  });

  test("a program that listens at the pod's address only is reached with EXTERNAL_IP_FIX; without it peers hear why not, and requests are stolen all the same", async () => {
    const port = 8091;
    const program = `require("node:http").createServer((_, response) => response.end("at the address")).listen(${port}, "${podIpv4}")`;
    for (const keepsAddress of [true, false]) {
      await using pod = await Pod.start();
      await startInPod(pod, process.execPath, "-e", program);
      await listening(port);
      await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_EXTERNAL_IP_FIX: String(keepsAddress) } });
      await using session = await agent.connect();
      await session.steal(port, { filter: wantedBy("me"), onRequest: answerAs("client") });
      const { status, body } = await get("/", { port });
      if (keepsAddress) assert.equal(`${status} ${body}`, "200 at the address");
      else
        assert.match(
          `${status} ${body}`,
          /^502 .*failed to pass the request to its original destination: 127\.0\.0\.1:8091: .*ECONNREFUSED/,
        );
      assert.equal((await get("/", { port, headers: as("me") })).body, "client /\n");
      using raw = await RawPeer.connect(port);
      await raw.write("\0no HTTP\r\n\r\n");
      const answered = await raw.ended();
      // To Node it is a bad request.
      if (keepsAddress) assert.match(answered, /^HTTP\/1\.1 400 /);
      else assert.ok(answered === "" && raw.hasBroken);
      assert.deepEqual(agent.events.includes("PASSTHROUGH_FAILED"), !keepsAddress);
    }
  });
});
