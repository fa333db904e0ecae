// Requests whose recipient is not known when their head is there: filters that look at the body, and filters that take their time. Nobody hears of them before, and
// whoever gets them gets every byte.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { HttpFilter } from "@understudy/protocol";
import { createFilterServices } from "../incoming/http/filter/filterServices.ts";
import {
  GET,
  MINE,
  OK,
  assertGivenBack,
  eventually,
  manualTarget,
  nextClose,
  nextStart,
  payload,
  respond,
  settled,
  stealBy,
} from "./incomingActorsFixture.ts";
import { httpLimits, PodUnderTest } from "./incomingFixture.ts";

const FOR_ME: HttpFilter = { kind: "body", value: { kind: "json", value: { query: "$.user", matches: "^me$" } } };
const LIMIT = 1000;
const HTTP = { ...httpLimits, bodyMaxBytes: LIMIT, bodyTimeoutMs: 60_000 };

const head = (...lines: string[]): string => `POST / HTTP/1.1\r\nHost: shop\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const withLength = (body: string): string => head(`Content-Length: ${body.length}`) + body;
/** A body of exactly so many bytes that is for me. */
const mine = (length: number): string => {
  const text = '{"user":"me","pad":""}';
  return text.replace('""', `"${"x".repeat(length - text.length)}"`);
};

async function pieces(write: (text: string) => void, text: string, size: number): Promise<void> {
  for (let at = 0; at < text.length; at += size) {
    write(text.slice(at, at + size));
    await sleep(2);
  }
}

for (const [what, body] of [
  ["in one piece with its length", withLength(mine(40))],
  [
    "in chunks",
    `${head("Transfer-Encoding: chunked")}10\r\n${mine(40).slice(0, 16)}\r\n18;ext="1"\r\n${mine(40).slice(16)}\r\n0\r\nTrail: er\r\n\r\n`,
  ],
  ["of exactly the limit that comes with its head", withLength(mine(LIMIT))],
] as const) {
  test(`a body ${what} is seen by a filter, and the client gets it complete`, async () => {
    await using pod = await PodUnderTest.start(manualTarget().server, { http: HTTP });
    using client = await pod.client();
    await stealBy(pod, client, FOR_ME);
    using peer = await pod.peer();
    peer.write(body);
    const { connectionId, request } = await nextStart(client);
    assert.equal(request.body.isLast, true);
    assert.match(payload(request.body.frames), /^\{"user":"me"/);
    respond(client, connectionId, "mine");
    await peer.until((text) => text.endsWith("mine"));
    assert.equal(await nextClose(client), connectionId);
    peer[Symbol.dispose]();
    client[Symbol.dispose]();
    await assertGivenBack(pod);
  });
}

test("a body that comes in pieces is waited for, and passes on byte for byte when no filter wants it", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { http: HTTP, detectsQuickly: false });
  using client = await pod.client();
  await stealBy(pod, client, FOR_ME);
  using peer = await pod.peer();
  const request = `${head("transfer-ENCODING: chunked", "X:  odd ")}8;a=b\r\n{"user":\r\n8\r\n"you"}  \r\n000;end\r\nTrail: er\r\n\r\n`;
  await pieces((text) => peer.write(text), request.slice(0, -1), 7);
  await settled(client);
  assert.equal(target.count, 0);
  peer.write(request.slice(-1) + GET("/next"));
  const socket = await target.next();
  await socket.until((text) => text === request);
  socket.socket.write(OK);
  await socket.until((text) => text === request + GET("/next"));
  socket.socket.write(OK);
  await peer.until((text) => text === OK + OK);
  assert.ok(!client.messages.some(({ kind }) => kind === "tcpSteal"));
  peer[Symbol.dispose]();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a body that comes in pieces reaches the client once, and what follows it is judged anew", async () => {
  await using pod = await PodUnderTest.start(manualTarget().server, { http: HTTP });
  using client = await pod.client();
  await stealBy(pod, client, FOR_ME);
  using peer = await pod.peer();
  for (let round = 0; round < 2; round++) {
    await pieces((text) => peer.write(text), withLength(mine(60)), 11);
    const { connectionId, request } = await nextStart(client);
    assert.equal(payload(request.body.frames), mine(60));
    respond(client, connectionId, `mine${round}`);
    await peer.until((text) => text.endsWith(`mine${round}`));
  }
});

for (const [what, send] of [
  ["announced longer than filters look at", (write: (text: string) => void) => write(head(`Content-Length: ${LIMIT + 1}`))],
  [
    "in chunks that grows to the limit",
    (write: (text: string) => void) => write(`${head("Transfer-Encoding: chunked")}3e8\r\n${mine(LIMIT)}`),
  ],
  [
    "of chunks with hardly anything in them",
    (write: (text: string) => void) => write(head("Transfer-Encoding: chunked") + `1;${"x".repeat(40)}\r\n \r\n`.repeat(100)),
  ],
] as const) {
  test(`a body ${what} is not waited for`, async () => {
    const target = manualTarget();
    await using pod = await PodUnderTest.start(target.server, { http: HTTP });
    using client = await pod.client();
    await stealBy(pod, client, FOR_ME);
    using peer = await pod.peer();
    let sent = "";
    send((text) => {
      sent += text;
      peer.write(text);
    });
    const socket = await target.next();
    await socket.until((text) => text === sent);
    peer.write("more");
    await socket.until((text) => text === `${sent}more`);
    peer[Symbol.dispose]();
    client[Symbol.dispose]();
    await assertGivenBack(pod);
  });
}

test("a body of exactly the limit that comes after its head is too long", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { http: HTTP });
  using client = await pod.client();
  await stealBy(pod, client, FOR_ME);
  using peer = await pod.peer();
  const request = withLength(mine(LIMIT));
  peer.write(request.slice(0, -5));
  await settled(client);
  peer.write(request.slice(-5));
  assert.equal(await (await target.next()).until((text) => text.length === request.length), request);
});

test("a filter waits for a body no longer than its time, then the request goes where it belongs without it", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { http: { ...HTTP, bodyTimeoutMs: 60 } });
  using client = await pod.client();
  const either: HttpFilter = { kind: "composite", value: { all: false, filters: [FOR_ME, { kind: "header", value: `^${MINE}$` }] } };
  await stealBy(pod, client, either);
  using passed = await pod.peer();
  const slow = withLength(mine(60));
  passed.write(slow.slice(0, -9));
  const socket = await target.next();
  await socket.until((text) => text === slow.slice(0, -9));
  passed.write(slow.slice(-9));
  await socket.until((text) => text === slow);

  using stolen = await pod.peer();
  stolen.write(`${head(MINE, "Content-Length: 4")}ab`);
  const { request } = await nextStart(client);
  assert.equal(request.body.isLast, false);
  assert.equal(payload(request.body.frames), "ab");
});

test("a peer that waits to be told to go on is told once, by the agent when a filter must see the body", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { http: HTTP });
  using client = await pod.client();
  await stealBy(pod, client, FOR_ME);
  const waiting = head("Expect: 100-continue", "Content-Length: 14");
  for (const [body, isMine] of [
    ['{"user":"you"}', false],
    ['{"user":"me"} ', true],
  ] as const) {
    using peer = await pod.peer();
    peer.write(waiting);
    await peer.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
    peer.write(body);
    if (isMine) respond(client, (await nextStart(client)).connectionId, "target");
    else {
      const socket = await target.next();
      await socket.until((text) => text === waiting + body);
      socket.socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n");
      socket.socket.write(OK);
    }
    const text = await peer.until((all) => all.endsWith("target"));
    assert.equal(text.match(/100 Continue/g)?.length, 1);
    assert.equal(text.includes("103"), !isMine);
  }
});

test("a body that turns out malformed while a filter waits for it is the target's to judge, byte for byte", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { http: HTTP });
  using client = await pod.client();
  await stealBy(pod, client, FOR_ME);
  using peer = await pod.peer();
  peer.write(`${head("Transfer-Encoding: chunked")}3\r\n{"u`);
  await settled(client);
  peer.write(`\r\n-3\r\nnonsense${GET("/", MINE)}`);
  const socket = await target.next();
  await socket.until((text) => text === `${head("Transfer-Encoding: chunked")}3\r\n{"u\r\n-3\r\nnonsense${GET("/", MINE)}`);
  socket.socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  assert.equal(await peer.ended(), "HTTP/1.1 400 Bad Request\r\n\r\n");
});

test("a peer that ends its direction inside a body that a filter waits for is passed on as it is", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server, { http: HTTP });
  using client = await pod.client();
  await stealBy(pod, client, FOR_ME);
  using peer = await pod.peer();
  peer.socket.end(`${head("Content-Length: 9")}half`);
  const socket = await target.next();
  assert.equal(await socket.ended(), `${head("Content-Length: 9")}half`);
  await peer.ended();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

/** jq that answers when the test says so. */
function slowJq(): { services: ReturnType<typeof createFilterServices>; answers: ((matches: boolean) => void)[] } {
  const answers: ((matches: boolean) => void)[] = [];
  const matches = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
  const compile = () => Promise.resolve({ matches, [Symbol.dispose]: () => undefined });
  return { services: createFilterServices({ jq: { compile } }), answers };
}
const SLOW: HttpFilter = { kind: "headerJq", value: "." };

test("a filter that takes its time holds up its own peer only, and what was sent ahead follows in order", async () => {
  const target = manualTarget();
  const { services, answers } = slowJq();
  await using pod = await PodUnderTest.start(target.server, { filters: services });
  using client = await pod.client();
  await stealBy(pod, client, SLOW);
  using peer = await pod.peer();
  peer.write(GET("/1"));
  await eventually(() => answers.length === 1, "the filter was not asked");
  peer.write(GET("/2") + GET("/3"));
  using other = await pod.peer();
  other.write(GET("/other"));
  await eventually(() => answers.length === 2, "the other request was not judged");
  answers[1]!(false);
  const socket = await target.next();
  await socket.until((text) => text === GET("/other"));
  answers[0]!(true);
  const first = await nextStart(client);
  assert.equal(first.request.uri, "/1");
  respond(client, first.connectionId, "one");
  for (const [i, isMine] of [
    [2, false],
    [3, true],
  ] as const) {
    await eventually(() => answers.length === i + 1, "the next request was not judged");
    answers[i]!(isMine);
    if (isMine) respond(client, (await nextStart(client)).connectionId, "three");
    else {
      const next = await target.next();
      await next.until((text) => text === GET("/2"));
      next.socket.write(OK);
    }
  }
  const text = await peer.until((all) => all.endsWith("three"));
  assert.deepEqual(text.match(/one|target|three/g), ["one", "target", "three"]);
  for (const one of [peer, other, client]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a filter that looks at the request again after a while sees it as it was", async () => {
  const target = manualTarget();
  const { services, answers } = slowJq();
  await using pod = await PodUnderTest.start(target.server, { filters: services });
  using client = await pod.client();
  const both: HttpFilter = { kind: "composite", value: { all: true, filters: [SLOW, { kind: "header", value: `^${MINE}$` }] } };
  await stealBy(pod, client, both);
  using peer = await pod.peer();
  peer.write(GET("/1", MINE));
  await eventually(() => answers.length === 1, "the filter was not asked");
  peer.write(GET("/2", "x-user: no").repeat(3));
  await settled(client);
  answers[0]!(true);
  const { connectionId, request } = await nextStart(client);
  assert.equal(request.uri, "/1");
  respond(client, connectionId, "mine");
  await eventually(() => answers.length === 2, "the next request was not judged");
  answers[1]!(true);
  await (await target.next()).until((text) => text === GET("/2", "x-user: no"));
  peer.socket.resetAndDestroy();
  client[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a client that leaves while its filter thinks gets nothing, and neither does one whose peer leaves", async () => {
  const target = manualTarget();
  const { services, answers } = slowJq();
  await using pod = await PodUnderTest.start(target.server, { filters: services });
  using client = await pod.client();
  using stays = await pod.client();
  await stealBy(pod, client, SLOW);
  await pod.steal(stays, "^x-user: nobody$");
  using peer = await pod.peer();
  peer.write(GET("/"));
  await eventually(() => answers.length === 1, "the filter was not asked");
  client[Symbol.dispose]();
  await eventually(() => pod.agent.sessions.count === 1, "the session goes on");
  answers[0]!(true);
  const socket = await target.next();
  await socket.until((text) => text === GET("/"));

  await stealBy(pod, stays, SLOW);
  using gone = await pod.peer();
  gone.write(GET("/"));
  await eventually(() => answers.length === 2, "the filter was not asked");
  gone.socket.resetAndDestroy();
  await eventually(() => pod.agent.metrics.redirectedConnectionsCount.value === 1, "the peer is still there");
  answers[1]!(true);
  await settled(stays);
  assert.ok(!stays.messages.some(({ kind }) => kind === "tcpSteal"));
  for (const one of [peer, stays]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});
