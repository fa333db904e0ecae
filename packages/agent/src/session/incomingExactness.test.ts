// Whatever the messages and wherever they are cut: traffic that nobody steals is, byte for byte, what it would be without the agent. Checked
// with random messages against a plain TCP target.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const RUNS = 60;

interface Exchange {
  readonly request: string;
  /** Bytes of the request after which the target answers; all of them or fewer. */
  readonly answersAfter: number;
  readonly response: string;
  readonly endsConnection: boolean;
}

const token = fc.stringMatching(/^[a-z][a-z-]{0,9}$/);
const text = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
const spelled = fc.constantFrom(
  (name: string) => name,
  (name: string) => name.toUpperCase(),
);
/** Names that mean nothing to anybody between the peer and the target. */
const header = fc.tuple(token, spelled, text).map(([name, spell, value]) => `${spell(`z-${name}`)}: ${value}\r\n`);
const headers = fc.array(header, { maxLength: 6 }).map((lines) => lines.join(""));
const payload = fc.oneof(
  fc.constant(""),
  fc.string({ unit: "binary-ascii", maxLength: 60 }),
  fc.integer({ min: 1, max: 90_000 }).map((n) => "x".repeat(n)),
);

const chunk = fc
  .tuple(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 }), fc.constantFrom("", ";a=b", ';q="1 2"'))
  .map(([bytes, extension]) => `${bytes.length.toString(16)}${extension}\r\n${bytes}\r\n`);
const chunked = fc
  .tuple(fc.array(chunk, { maxLength: 5 }), fc.constantFrom("0", "000", "0;end"), fc.constantFrom("", "z-trailer: 1\r\n"))
  .map(([chunks, last, trailer]) => `${chunks.join("")}${last}\r\n${trailer}\r\n`);

interface Body {
  readonly lines: string;
  readonly bytes: string;
}
const withLength = payload.map((bytes): Body => ({ lines: `Content-Length: ${bytes.length}\r\n`, bytes }));
const withChunks = chunked.map((bytes): Body => ({ lines: "Transfer-Encoding: chunked\r\n", bytes }));
const nothing = fc.constant<Body>({ lines: "", bytes: "" });

function exchange(isLast: boolean): fc.Arbitrary<Exchange> {
  const method = fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS", "ODD");
  const interim = fc.constantFrom("", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
  const untilClose = payload.map((bytes): Body => ({ lines: "", bytes }));
  return fc
    .record({
      method,
      path: fc.stringMatching(/^[a-z0-9/?=&.-]{0,30}$/),
      requestHeaders: headers,
      requestBody: fc.oneof(nothing, withLength, withChunks),
      interim,
      status: fc.constantFrom("200 OK", "200", "404 Not  Found", "204 No Content", "304 Not Modified", "500 \u00e9"),
      responseHeaders: headers,
      responseBody: isLast ? fc.oneof(withLength, withChunks, untilClose) : fc.oneof(withLength, withChunks),
      answersAfter: fc.constantFrom("all", "head"),
    })
    .map(({ method: verb, path, requestHeaders, requestBody, interim: before, status, responseHeaders, responseBody, answersAfter }) => {
      const head = `${verb} /${path} HTTP/1.1\r\n${requestHeaders}Host: shop\r\n${requestBody.lines}\r\n`;
      const request = `${head}${requestBody.bytes}`;
      const hasNone = verb === "HEAD" || status.startsWith("204") || status.startsWith("304");
      const lines = status.startsWith("204") ? "" : responseBody.lines;
      const endsConnection = !hasNone && lines === "";
      return {
        request,
        answersAfter: answersAfter === "all" ? request.length : head.length,
        response: `${before}HTTP/1.1 ${status}\r\n${lines}${responseHeaders}\r\n${hasNone ? "" : responseBody.bytes}`,
        endsConnection,
      };
    });
}

const exchanges = fc
  .tuple(fc.array(exchange(false), { maxLength: 4 }), exchange(true))
  .map(([first, last]): readonly Exchange[] => [...first, last]);
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 3000 })), { minLength: 1, maxLength: 30 });

/** Writes a text in pieces of the given lengths, one a turn; the rest in one. */
async function writeCut(socket: Socket, bytes: string, lengths: readonly number[]): Promise<void> {
  let at = 0;
  for (const length of lengths) {
    if (at >= bytes.length) return;
    socket.write(bytes.slice(at, at + length), "latin1");
    at += length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (at < bytes.length) socket.write(bytes.slice(at), "latin1");
}

/** A target that answers each request once it has as much of it as the exchange says. */
function scriptedTarget(): {
  server: ReturnType<typeof createServer>;
  script: (exchanges: readonly Exchange[], lengths: readonly number[]) => { received: () => string };
} {
  let current: { exchanges: readonly Exchange[]; lengths: readonly number[]; received: string } = {
    exchanges: [],
    lengths: [],
    received: "",
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const { exchanges: script, lengths } = current;
    const run = current;
    let answered = 0;
    let before = 0;
    let writing: Promise<void> = Promise.resolve();
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      run.received += bytes.toString("latin1");
      for (let next = script[answered]; next !== undefined && run.received.length >= before + next.answersAfter; next = script[answered]) {
        const { response, endsConnection, request } = next;
        answered += 1;
        before += request.length;
        writing = writing.then(() => writeCut(socket, response, lengths)).then(() => void (endsConnection && socket.end()));
      }
    });
    socket.on("end", () => void writing.then(() => socket.end()));
  });
  return {
    server,
    script(wanted, lengths) {
      const run = { exchanges: wanted, lengths, received: "" };
      current = run;
      return { received: () => run.received };
    },
  };
}

async function assertGivenBack({ agent, port }: PodUnderTest): Promise<void> {
  const { metrics, log } = agent;
  for (let round = 0; metrics.redirectedConnectionsCount.value > 0; round++) {
    assert.ok(round < 300, "connections are left");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(metrics.redirectedRequestsCount.value, 0);
  assert.equal(metrics.bypassedRequests.with(port).value, 0);
  assert.equal(metrics.mirrorConnectionSubscriptionCount.value, 0);
  assert.deepEqual(log.events, []);
}

async function mirror(pod: PodUnderTest, client: Client): Promise<void> {
  client.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
  await client.next("tcp");
}

for (const isMirrored of [false, true]) {
  test(`requests and responses ${isMirrored ? "that are mirrored " : ""}pass through byte for byte, however they are cut`, async () => {
    const target = scriptedTarget();
    await using pod = await PodUnderTest.start(target.server);
    using client = await pod.client();
    if (isMirrored) await mirror(pod, client);
    else await pod.steal(client, "^x-user: me$");
    await fc.assert(
      fc.asyncProperty(exchanges, cuts, cuts, fc.boolean(), async (script, requestCuts, responseCuts, endsEarly) => {
        const { received } = target.script(script, responseCuts);
        using peer = await pod.peer();
        const sent = script.map(({ request }) => request).join("");
        const expected = script.map(({ response }) => response).join("");
        await writeCut(peer.socket, sent, requestCuts);
        if (endsEarly) peer.socket.end();
        await peer.until((all) => all.length >= expected.length);
        if (!endsEarly) peer.socket.end();
        const got = await peer.ended();
        assert.ok(
          got === expected,
          `sent ${JSON.stringify(sent.slice(0, 300))}, got ${JSON.stringify(got.slice(0, 300))}, expected ${JSON.stringify(expected.slice(0, 300))}`,
        );
        // An early answer may overtake the end of its request.
        for (let round = 0; received().length < sent.length && round < 100; round++) await new Promise((resolve) => setTimeout(resolve, 5));
        assert.ok(received() === sent, "the target got something else than was sent");
        assert.equal(peer.error, null);
        await assertGivenBack(pod);
        client.messages.length = 0;
      }),
      { numRuns: RUNS },
    );
  });
}

const damage = fc.record({
  at: fc.nat(),
  removes: fc.integer({ min: 0, max: 3 }),
  inserts: fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 3 }),
    fc.constantFrom(
      "\r",
      "\n",
      "\r\n",
      "\n\n",
      " ",
      "\t",
      ":",
      "\0",
      "Content-Length: 5\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Content-Length : 1\r\n",
      "Connection: close\r\n",
    ),
  ),
});

test("the target gets every byte that a peer sends, also of requests that can be read in two ways", async () => {
  let received = "";
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    let here = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      received += bytes.toString("latin1");
      here += bytes.toString("latin1");
      for (let end = here.indexOf("\r\n\r\n"); end >= 0; end = here.indexOf("\r\n\r\n")) {
        here = here.slice(end + 4);
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      }
    });
    socket.on("end", () => socket.end());
  });
  await using pod = await PodUnderTest.start(server);
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  await fc.assert(
    fc.asyncProperty(exchanges, fc.array(damage, { minLength: 1, maxLength: 4 }), cuts, async (script, damages, lengths) => {
      let sent = script.map(({ request }) => request.replaceAll("\r\n\r\n\r\n", "")).join("");
      for (const { at, removes, inserts } of damages) {
        const position = at % Math.min(sent.length, 400);
        sent = sent.slice(0, position) + inserts + sent.slice(position + removes);
      }
      // The answer to these ends the connection, and what comes after them with it.
      fc.pre(!/HTTP\/1\.0|\bclose\b/i.test(sent));
      received = "";
      using peer = await pod.peer();
      await writeCut(peer.socket, sent, lengths);
      peer.socket.end();
      await peer.ended();
      assert.ok(received === sent, `sent ${JSON.stringify(sent.slice(0, 600))}, the target got ${JSON.stringify(received.slice(0, 600))}`);
      await assertGivenBack(pod);
    }),
    { numRuns: RUNS },
  );
});
