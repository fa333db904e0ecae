// The library's HTTP clients with connections made by a real agent.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer as createHttpServer, get, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createHttpsServer, get as getHttps } from "node:https";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { after, before, suite, test } from "node:test";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { outgoing, type Session } from "@understudy/client";
import { fetch as undiciFetch, request as undiciRequest } from "undici";
import { Listening } from "./listening.ts";
import { freePort, TargetlessAgent } from "./targetlessAgent.ts";

const hello: RequestListener = (request, answer) => void answer.end(`hello ${request.url} ${request.headers.host}`);

async function body(request: ReturnType<typeof get>): Promise<string> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return await text(response);
}

suite("outgoing clients", { timeout: 60_000 }, () => {
  let agent: TargetlessAgent;
  let session: Session;
  let folder: string;
  let tls: { readonly key: Buffer; readonly cert: Buffer };

  before(async () => {
    agent = await TargetlessAgent.start();
    session = await agent.connect();
    folder = await mkdtemp(`${tmpdir()}/understudy-outgoing-`);
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const files = ["-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`];
    await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", ...files, ...subject]);
    tls = { key: await readFile(`${folder}/key.pem`), cert: await readFile(`${folder}/cert.pem`) };
  });
  after(async () => {
    await session[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test("an HTTP agent connects by name and keeps the connection", async () => {
    await using server = await Listening.on(createHttpServer(hello));
    const http = outgoing.httpAgent(session);
    const connections: string[] = [];
    for (const path of ["/1", "/2"]) {
      const request = get({ agent: http, host: "localhost", port: server.port, path, timeout: 5_000 });
      const text = await body(request);
      assert.equal(text, `hello ${path} localhost:${server.port}`);
      connections.push(String([...server.sockets][0]?.remotePort));
      // The connection is free a turn after the response has ended.
      await new Promise(setImmediate);
    }
    assert.equal(connections[0], connections[1]);
    const [socket] = server.sockets as Iterable<Socket> as unknown as [Socket];
    http.destroy();
    if (![...server.sockets].every(({ destroyed }) => destroyed)) await once(socket, "close");
  });

  test("a kept connection that the server ends is not used again", async () => {
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    await using server = await Listening.on(createServer((socket) => socket.on("data", () => socket.write(answer))));
    const http = outgoing.httpAgent(session);
    const address = { agent: http, host: "127.0.0.1", port: server.port };
    const freed = once(http, "free") as Promise<[Socket]>;
    assert.equal(await body(get(address)), "hi");
    const [kept] = await freed;
    const closed = once(kept, "close");
    for (const socket of server.sockets) socket.end();
    await closed;
    assert.equal(await body(get(address)), "hi");
    http.destroy();
  });

  test("HTTPS checks the certificate against the name, which the server is told", async () => {
    await using server = await Listening.on(
      createHttpsServer(tls, (request, answer) => answer.end((request.socket as TLSSocket).servername as string)),
    );
    const https = outgoing.httpsAgent(session, { ca: tls.cert });
    const text = await body(getHttps({ agent: https, host: "localhost", port: server.port }));
    assert.equal(text, "localhost");
    const wrong = getHttps({ agent: https, host: "127.0.0.1", port: server.port });
    await assert.rejects(once(wrong, "response"), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    https.destroy();
  });

  test("a unix socket of the target, and what refuses", async () => {
    await using server = await Listening.on(createHttpServer(hello));
    const unix = createHttpServer(hello).listen(`${folder}/http.sock`);
    await once(unix, "listening");
    const http = outgoing.httpAgent(session, { keepAlive: false });
    const overUnix = await body(get({ agent: http, socketPath: `${folder}/http.sock`, path: "/x" }));
    assert.match(overUnix, /^hello \/x /);
    unix.close();
    await assert.rejects(once(get({ agent: http, host: "127.0.0.1", port: await freePort() }), "response"), { code: "ECONNREFUSED" });
    assert.ok(server);
    http.destroy();
  });

  test("destroying an HTTP agent ends the connects that wait", async () => {
    const http = outgoing.httpAgent(session);
    // Reserved for documentation (RFC 6666): nothing answers.
    const waiting = get({ agent: http, host: "100::1", port: 80 });
    const failed = once(waiting, "response");
    http.destroy();
    await assert.rejects(failed);
  });

  test("an idle limit of a request is noticed", async () => {
    await using server = await Listening.on(createServer(() => undefined));
    const http = outgoing.httpAgent(session);
    const waiting = get({ agent: http, host: "127.0.0.1", port: server.port, timeout: 50 });
    waiting.on("error", () => undefined);
    await once(waiting, "timeout");
    waiting.destroy();
    http.destroy();
  });

  test("a dispatcher serves undici's fetch and request, by TLS too", async () => {
    await using plain = await Listening.on(createHttpServer(hello));
    await using secure = await Listening.on(createHttpsServer(tls, hello));
    const dispatcher = await outgoing.dispatcher(session, { tls: { ca: tls.cert } });
    const fetched = await undiciFetch(`http://localhost:${plain.port}/f`, { dispatcher });
    assert.equal(await fetched.text(), `hello /f localhost:${plain.port}`);
    const requested = await undiciRequest(`https://localhost:${secure.port}/r`, { dispatcher });
    assert.equal(await requested.body.text(), `hello /r localhost:${secure.port}`);
    await assert.rejects(undiciRequest(`http://127.0.0.1:${await freePort()}`, { dispatcher }), { code: "ECONNREFUSED" });
    await dispatcher.close();
  });

  test("a dispatcher gives up after its limit, and when its signal aborts", async () => {
    const late = await outgoing.dispatcher(session, { connectTimeoutMs: 50 });
    await assert.rejects(undiciRequest("http://[100::1]/", { dispatcher: late }), /no connection to|NETUNREACH|EADDRNOTAVAIL/);
    await late.destroy();
    const gone = await outgoing.dispatcher(session, { signal: AbortSignal.abort(new Error("given up")) });
    await assert.rejects(undiciRequest("http://127.0.0.1/", { dispatcher: gone }), /given up/);
    await gone.destroy();
  });

  test("names that there are not are told as such", async () => {
    await assert.rejects(outgoing.connectHost(session, { host: "no-such-name.invalid", port: 80 }), /look up no-such-name\.invalid/);
    const [record] = await outgoing.lookup(session, "localhost", { family: "ipv4Only" });
    assert.equal(record?.ip, "127.0.0.1");
  });
});
