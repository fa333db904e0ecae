// HTTP/2 that begins as an upgrade of HTTP/1.1 (`Upgrade: h2c`). The request that asks for it is judged like any other; a connection that has been upgraded is a stream of bytes between the
// peer and who accepted, and no request on it is judged.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { headerText, headersFromRaw, type IncomingRequest, textResponse } from "@understudy/client";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4 } from "../pod/pod.ts";
import { answerAs, wantedBy } from "../pod/stealing.ts";
import { listening, runPeer, startInPod, toolsSkipReason } from "../peers/peerPrograms.ts";
import { RawPeer } from "../peers/rawPeer.ts";
import { UpgradeClient } from "../peers/upgradeClient.ts";

const port = 8090;

const MINE = "X-User: me\r\n";
/** A frame without any setting, which is the first of either side. */
const SETTINGS = "\0\0\0\x04\0\0\0\0\0";
/** What the peer begins HTTP/2 with. */
const PREFACE = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SETTINGS}`;
/** A request for stream 3: `GET http /`, all of it in HPACK's static table. */
const STREAM_3 = "\0\0\x03\x01\x05\0\0\0\x03\x82\x86\x84";
const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

/** Responses of the target arrive byte for byte. */
const UNCHANGED = { MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL: "false" } as const;

/** A request that asks for HTTP/2. */
function upgrade(path: string, more = "", method = "GET"): string {
  return `${method} ${path} HTTP/1.1\r\nHost: target\r\n${more}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`;
}

function plain(path: string, more = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: target\r\n${more}\r\n`;
}

async function startTarget(pod: Pod): Promise<void> {
  await startInPod(pod, process.execPath, fileURLToPath(new URL("../peers/h2cTarget.ts", import.meta.url)), String(port));
  await listening(port);
}

suite("an upgrade to HTTP/2", { skip: toolsSkipReason() }, () => {
  test("that the target accepts makes the connection the target's, requests that a filter would want included", async () => {
    await using pod = await Pod.start();
    await startTarget(pod);
    await using agent = await AgentProcess.start(pod, { env: UNCHANGED });
    await using session = await agent.connect();
    const stolen: string[] = [];
    const answer = answerAs("client");
    await session.steal(port, { filter: wantedBy("me"), onRequest: (request) => (stolen.push(request.uri), answer(request)) });
    for (const [method, head, body] of [
      ["GET", "", ""],
      ["POST", "Content-Length: 5\r\n", "hello"],
    ] as const) {
      using peer = await RawPeer.connect(port);
      const request = upgrade("/", head, method);
      await peer.write(request.slice(0, 30), request.slice(30), body);
      await peer.until((text) => text.endsWith("stream 1\n"));
      assert.ok(peer.text.startsWith(SWITCHED + SETTINGS));
      await peer.write(...PREFACE.split(/(?<=\n)/), STREAM_3, plain("/", MINE));
      await peer.until((text) => text.includes("stream 3\n"));
    }
    assert.deepEqual(stolen, []);
  });

  test("is made by curl, whose requests all go over the upgraded connection", { skip: toolsSkipReason("curl") }, async () => {
    await using pod = await Pod.start();
    await startTarget(pod);
    await using agent = await AgentProcess.start(pod, { env: UNCHANGED });
    await using session = await agent.connect();
    await session.steal(port, { filter: wantedBy("me"), onRequest: answerAs("client") });
    await session.mirror(port, { onRequest: () => undefined });
    const url = `http://${podIpv4}:${port}`;
    const asked = ["-s", "--http2", "-w", "%{http_version} %{num_connects}\n"];
    const { code, stdout } = await runPeer("curl", ...asked, `${url}/first`, "--next", ...asked, "-H", "X-User: me", `${url}/second`);
    assert.equal(code, 0);
    assert.equal(stdout, "target over HTTP/2, stream 1\n2 1\ntarget over HTTP/2, stream 3\n2 0\n");
    const stolen = await runPeer("curl", ...asked, "-H", "X-User: me", `${url}/first`, "--next", ...asked, `${url}/declines`);
    assert.equal(stolen.stdout, "client /first\n1.1 1\ntarget over HTTP/1.1 /declines\n1.1 0\n");
  });

  test("that the target declines leaves the connection HTTP/1.1, whose next requests are judged", async () => {
    await using pod = await Pod.start();
    await startTarget(pod);
    await using agent = await AgentProcess.start(pod, { env: UNCHANGED });
    await using session = await agent.connect();
    await session.steal(port, { filter: wantedBy("me"), onRequest: answerAs("client") });
    using peer = await RawPeer.connect(port);
    await peer.write(upgrade("/declines") + plain("/mine", MINE));
    await peer.until((text) => text.endsWith("client /mine\n"));
    assert.match(peer.text, /^HTTP\/1\.1 200 OK\r\nContent-Length: 31\r\n\r\ntarget over HTTP\/1\.1 \/declines\nHTTP\/1\.1 200 OK\r\n/);
    await peer.write(upgrade("/"));
    await peer.until((text) => text.endsWith("stream 1\n"));
  });

  test("that a client answers without it leaves the connection HTTP/1.1, and the target may accept the next", async () => {
    await using pod = await Pod.start();
    await startTarget(pod);
    await using agent = await AgentProcess.start(pod, { env: UNCHANGED });
    await using session = await agent.connect();
    const requests: IncomingRequest[] = [];
    await session.steal(port, {
      filter: wantedBy("me"),
      onRequest: (request) => {
        requests.push(request);
        return textResponse(200, "client");
      },
    });
    using peer = await RawPeer.connect(port);
    await peer.write(upgrade("/mine", MINE));
    await peer.until((text) => text.endsWith("client\n"));
    assert.match(peer.text, /^HTTP\/1\.1 200 OK\r\n/);
    const [request] = requests;
    const header = (name: string): string | null => headerText(request?.headers ?? [], name);
    assert.deepEqual(["connection", "upgrade", "http2-settings"].map(header), ["Upgrade, HTTP2-Settings", "h2c", "AAMAAABk"]);
    await peer.write(upgrade("/theirs"));
    await peer.until((text) => text.includes(SWITCHED) && text.endsWith("stream 1\n"));
    await peer.write(PREFACE, STREAM_3);
    await peer.until((text) => text.endsWith("stream 3\n"));
    assert.equal(requests.length, 1);
  });

  test("that a client accepts makes the connection the client's, byte for byte", async () => {
    await using pod = await Pod.start();
    await startTarget(pod);
    await using agent = await AgentProcess.start(pod, { env: UNCHANGED });
    await using session = await agent.connect();
    const came = Promise.withResolvers<string>();
    await session.steal(port, {
      filter: wantedBy("me"),
      onRequest: () => ({
        status: 101,
        headers: headersFromRaw(["Connection", "Upgrade", "Upgrade", "h2c"]),
        onUpgrade: (stream) => {
          stream.write(SETTINGS);
          void buffer(stream).then((bytes) => {
            came.resolve(bytes.toString("latin1"));
            stream.end("goodbye");
          });
        },
      }),
    });
    using peer = await RawPeer.connect(port);
    await peer.write(upgrade("/mine", MINE));
    await peer.until((text) => text.startsWith("HTTP/1.1 101 ") && text.endsWith(`\r\n\r\n${SETTINGS}`));
    await peer.write(...PREFACE.split(/(?<=\n)/), STREAM_3, plain("/", MINE));
    peer.end();
    assert.equal(await came.promise, PREFACE + STREAM_3 + plain("/", MINE));
    assert.match(await peer.ended(), /goodbye$/);
  });

  test("is copied with what the peer sends afterwards for who mirrors, whether the target accepts it or a client", async () => {
    await using pod = await Pod.start();
    await startTarget(pod);
    await using agent = await AgentProcess.start(pod, { env: UNCHANGED });
    await using session = await agent.connect();
    await session.steal(port, {
      filter: wantedBy("me"),
      onRequest: () => ({
        status: 101,
        headers: headersFromRaw(["Connection", "Upgrade", "Upgrade", "h2c"]),
        onUpgrade: (stream) => void stream.resume().once("end", () => stream.end()),
      }),
    });
    const copies: { url: string; bytes: Promise<Buffer> }[] = [];
    using watching = await UpgradeClient.mirror(port, ({ url }, stream) => void copies.push({ url, bytes: buffer(stream) }));
    for (const [path, more] of [
      ["/theirs", ""],
      ["/mine", MINE],
    ] as const) {
      using peer = await RawPeer.connect(port);
      await peer.write(upgrade(path, more));
      await peer.until((text) => text.includes("\r\n\r\n"));
      await peer.write(PREFACE, STREAM_3);
      peer.end();
      await peer.ended();
    }
    while (watching.open > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      copies.map(({ url }) => url),
      ["/theirs", "/mine"],
    );
    for (const { bytes } of copies) assert.equal((await bytes).toString("latin1"), PREFACE + STREAM_3);
    await session.ping();
  });
});
