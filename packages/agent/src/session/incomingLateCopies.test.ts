// Copies of requests for clients whose filters take their time or look at bodies. The request never waits for them; its copy is complete all the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpFilter, InternalHttpBodyFrame } from "@understudy/protocol";
import { createFilterServices } from "../incoming/http/filter/filterServices.ts";
import { GET, MINE, OK, type TargetSocket, assertGivenBack, eventually, manualTarget, payload, settled } from "./incomingActorsFixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const SLOW: HttpFilter = { kind: "headerJq", value: "." };
const FOR_ME: HttpFilter = { kind: "body", value: { kind: "json", value: { query: "$.user", matches: "^me$" } } };

function slowJq(): { services: ReturnType<typeof createFilterServices>; answers: ((matches: boolean) => void)[] } {
  const answers: ((matches: boolean) => void)[] = [];
  const matches = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
  const compile = () => Promise.resolve({ matches, [Symbol.dispose]: () => undefined });
  return { services: createFilterServices({ jq: { compile } }), answers };
}

async function mirrorBy(pod: PodUnderTest, client: Client, filter: HttpFilter): Promise<void> {
  client.send({ kind: "tcp", value: { kind: "portSubscribeFilteredHttp", value: [pod.port, filter] } });
  await client.next("tcp");
}

/** What was copied: uri and body of each request, and how many ends there were. */
function copied(client: Client): { requests: [uri: string, body: string][]; ends: number } {
  const requests = new Map<number | bigint, { uri: string; frames: InternalHttpBodyFrame[] }>();
  let ends = 0;
  for (const one of client.messages) {
    if (one.kind !== "tcp") continue;
    if (one.value.kind === "close") ends += 1;
    if (one.value.kind !== "httpRequestChunked") continue;
    const part = one.value.value;
    if (part.kind === "startV2") {
      requests.set(part.value.connectionId, { uri: part.value.request.uri, frames: [...part.value.request.body.frames] });
    } else if (part.kind === "body") requests.get(part.value.connectionId)?.frames.push(...part.value.frames);
  }
  return { requests: Array.from(requests.values(), ({ uri, frames }) => [uri, payload(frames)]), ends };
}

test("requests do not wait for a listener's slow filter, and those that it wants are copied when it has answered", async () => {
  const target = manualTarget();
  const { services, answers } = slowJq();
  await using pod = await PodUnderTest.start(target.server, { filters: services });
  using client = await pod.client();
  await mirrorBy(pod, client, SLOW);
  using peer = await pod.peer();
  const upload = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab";
  peer.write(GET("/1"));
  const socket = await target.next();
  await socket.until((text) => text === GET("/1"));
  socket.socket.write(OK);
  await peer.until((text) => text === OK);
  peer.write(upload);
  await socket.until((text) => text.endsWith("ab"));
  peer.write("cd");
  await socket.until((text) => text.endsWith("abcd"));
  await eventually(() => answers.length === 2, "the filter was not asked");
  answers[1]!(true);
  await eventually(() => copied(client).requests.length === 1, "the request is not copied");
  peer.write(`ef${GET("/3")}`);
  await socket.until((text) => text.endsWith("abcdef"));
  socket.socket.write(OK);
  await socket.until((text) => text.endsWith(GET("/3")));
  socket.socket.write(OK);
  await peer.until((text) => text === OK + OK + OK);
  await eventually(() => answers.length === 3, "the filter was not asked");
  answers[2]!(false);
  answers[0]!(true);
  await eventually(() => copied(client).ends === 2, "the copies do not end");
  assert.deepEqual(copied(client), {
    requests: [
      ["/2", "abcdef"],
      ["/1", ""],
    ],
    ends: 2,
  });
  for (const one of [peer, client]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});

test("a listener's filter that looks at the request again sees it as it was, also when the next one was read since", async () => {
  const target = manualTarget();
  const { services, answers } = slowJq();
  await using pod = await PodUnderTest.start(target.server, { filters: services });
  using client = await pod.client();
  const both: HttpFilter = { kind: "composite", value: { all: true, filters: [SLOW, { kind: "header", value: `^${MINE}$` }] } };
  await mirrorBy(pod, client, both);
  using peer = await pod.peer();
  let sent = "";
  let socket: TargetSocket | null = null;
  for (const [i, request] of [GET("/1", MINE), GET("/a-longer-path", "x-other: one", "x-user: no"), GET("/3", "x: y", MINE)].entries()) {
    sent += request;
    peer.write(request);
    socket ??= await target.next();
    await socket.until((text) => text === sent);
    socket.socket.write(OK);
    await peer.until((text) => text === OK.repeat(i + 1));
  }
  await eventually(() => answers.length === 3, "the filter was not asked");
  for (const answer of answers) answer(true);
  await eventually(() => copied(client).ends === 2, "the copies do not end");
  await settled(client);
  assert.deepEqual(copied(client).requests, [
    ["/1", ""],
    ["/3", ""],
  ]);
});

test("requests do not wait for a listener that looks at their bodies", async () => {
  const target = manualTarget();
  await using pod = await PodUnderTest.start(target.server);
  using client = await pod.client();
  using stealer = await pod.client();
  await mirrorBy(pod, client, FOR_ME);
  await pod.steal(stealer, "^x-user: nobody$");
  using peer = await pod.peer();
  const head = (path: string, length: number): string => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
  const mine = '{"user":"me"}';
  peer.write(head("/mine", mine.length) + mine.slice(0, 5));
  const socket = await target.next();
  await socket.until((text) => text.endsWith(mine.slice(0, 5)));
  peer.write(mine.slice(5));
  await socket.until((text) => text.endsWith(mine));
  socket.socket.write(OK);
  peer.write(head("/yours", 14) + '{"user":"you"}');
  await socket.until((text) => text.endsWith('{"user":"you"}'));
  socket.socket.write(OK);
  const large = "x".repeat(400_000);
  peer.write(head("/large", large.length) + large);
  await socket.until((text) => text.endsWith("x".repeat(1000)) && text.length > large.length);
  socket.socket.write(OK);
  await peer.until((text) => text === OK + OK + OK);
  await eventually(() => copied(client).ends === 1, "the copy does not end");
  await settled(client);
  assert.deepEqual(copied(client), { requests: [["/mine", mine]], ends: 1 });
  peer.write(head("/broken", 14) + '{"user":');
  await socket.until((text) => text.endsWith('{"user":'));
  for (const one of [peer, client, stealer]) one[Symbol.dispose]();
  await assertGivenBack(pod);
});
