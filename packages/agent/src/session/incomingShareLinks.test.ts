// Share links, seen from peers, sessions and the target.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer as createHttp2Server, type IncomingHttpHeaders } from "node:http2";
import { createServer as createHttpServer } from "node:http";
import { test } from "node:test";
import type { HttpHeaders } from "@understudy/protocol";
import { nextStart, respond, settled } from "./incomingActorsFixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";
import type { Client } from "./sessionFixture.ts";

const entry = "mirrord-session=k1";
const cookie = "mirrord-session=k1; Path=/; HttpOnly; SameSite=Lax";

/** Tells what it was asked and with which baggage. */
function tellingTarget(): ReturnType<typeof createHttpServer> {
  return createHttpServer((request, response) => {
    response.setHeader("set-cookie", "own=1");
    request.resume().on("end", () => response.end(`target ${request.url} ${String(request.headers["baggage"] ?? "none")}`));
  });
}

async function register(client: Client, ...keys: readonly string[]): Promise<void> {
  for (const value of keys) client.send({ kind: "shareLink", value: { kind: "registerKey", value } });
  await settled(client);
}

const OWN_COOKIE: HttpHeaders = [["set-cookie", [Buffer.from("own=2")]]];

test("a request with a live key is known by its baggage, loses the key, and its answer sets the cookie", async () => {
  await using pod = await PodUnderTest.start(tellingTarget());
  using client = await pod.client();
  await register(client, "k1");
  await pod.steal(client, `^baggage: .*${entry}`);
  using peer = await pod.peer();
  // Two requests in one piece: the second is read behind a head that was rewritten.
  peer.write("GET /a?x&mirrord-session=k1 HTTP/1.1\r\nHost: shop\r\nBaggage: b=1\r\n\r\nGET /b HTTP/1.1\r\nHost: shop\r\n\r\n");
  const { request, connectionId } = await nextStart(client);
  assert.equal(request.uri, "/a?x");
  assert.deepEqual(
    request.headers.find(([name]) => name === "baggage")?.[1].map((value) => Buffer.from(value).toString()),
    [`b=1,${entry}`],
  );
  respond(client, connectionId, "session", { headers: OWN_COOKIE });
  const text = await peer.until((all) => all.endsWith("target /b none"));
  const [first = "", second = ""] = text.split("session\r\n").length > 1 ? text.split("session\r\n") : text.split("sessionHTTP");
  assert.match(first, /set-cookie: own=2\r\n/);
  assert.ok(first.includes(`set-cookie: ${cookie}\r\n`));
  assert.ok(!second.includes("mirrord-session"));
});

test("a request that is passed on carries the baggage, too, with its body untouched", async () => {
  await using pod = await PodUnderTest.start(tellingTarget());
  using client = await pod.client();
  await register(client, "k1");
  await pod.steal(client, "^x-user: me$");
  using peer = await pod.peer();
  peer.write(`POST /a?mirrord-session=k1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhe`);
  peer.write("llo");
  const text = await peer.until((all) => all.endsWith(`target /a ${entry}`));
  assert.match(text, /set-cookie: own=1\r\n/i);
  assert.ok(text.includes(`set-cookie: ${cookie}\r\n`));
  peer.write(`GET /next HTTP/1.1\r\nHost: shop\r\nCookie: a=b; ${entry}\r\n\r\n`);
  const both = await peer.until((all) => all.endsWith(`target /next ${entry}`));
  assert.equal(both.split(`set-cookie: ${cookie}`).length, 2);
});

test("a key that is live no more leads to a page, and its cookie is taken back", async () => {
  await using pod = await PodUnderTest.start(tellingTarget());
  using client = await pod.client();
  await register(client, "k1");
  await pod.steal(client, "^x-user: me$");
  {
    using other = await pod.client();
    await register(other, "k1");
  }
  client.send({ kind: "shareLink", value: { kind: "removeKey", value: "k1" } });
  await settled(client);
  using peer = await pod.peer();
  peer.write(`GET http://shop/a?mirrord-session=k1&x="1" HTTP/1.1\r\nHost: shop\r\n\r\n`.replaceAll('"', "'"));
  const page = await peer.until((all) => all.endsWith("</html>\n"));
  assert.match(page, /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/html; charset=utf-8\r\ncache-control: no-store\r\n/);
  assert.match(page, /set-cookie: mirrord-session=; Path=\/; HttpOnly; SameSite=Lax; Max-Age=0\r\n/);
  assert.match(page, /href="\/a\?x=&#39;1&#39;"/);
  peer.write(`GET /b HTTP/1.1\r\nHost: shop\r\nCookie: ${entry}\r\n\r\n`);
  const text = await peer.until((all) => all.endsWith("target /b none"));
  assert.equal(text.split("Max-Age=0").length, 3);
});

test("share links work the same over HTTP/2", async () => {
  const target = createHttp2Server((request, response) => {
    response.end(`target ${request.url} ${String(request.headers["baggage"])}`);
  });
  await using pod = await PodUnderTest.start(target);
  using client = await pod.client();
  await register(client, "k1");
  await pod.steal(client, "^x-user: me$");
  const session = connect(`http://127.0.0.1:${pod.doorPort}`);
  const get = async (headers: Record<string, string>): Promise<{ headers: IncomingHttpHeaders; text: string }> => {
    const stream = session.request(headers);
    const [received] = (await once(stream, "response")) as [IncomingHttpHeaders];
    const chunks = (await stream.toArray()) as Buffer[];
    return { headers: received, text: Buffer.concat(chunks).toString() };
  };
  const passed = await get({ ":path": "/a?mirrord-session=k1&x" });
  assert.equal(passed.text, `target /a?x ${entry}`);
  assert.deepEqual(passed.headers["set-cookie"], [cookie]);
  const stolen = get({ ":path": "/b", "x-user": "me", cookie: entry });
  const { request, connectionId } = await nextStart(client);
  assert.deepEqual(
    request.headers.find(([name]) => name === "baggage")?.[1].map((value) => Buffer.from(value).toString()),
    [entry],
  );
  respond(client, connectionId, "session", { headers: OWN_COOKIE });
  assert.equal((await stolen).text, "session");
  const ended = await get({ ":path": "/c?mirrord-session=old" });
  assert.match(ended.text, /Session ended/);
  assert.match(String(ended.headers["set-cookie"]), /Max-Age=0/);
  session.destroy();
});
