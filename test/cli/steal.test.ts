// `understudy steal` in front of a real agent in a pod: filters, several ports, fallback, and connections that break.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, request as httpRequest, type RequestListener } from "node:http";
import { connect, createServer } from "node:net";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, podIpv4, podSkipReason, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { IncomingCommand, Relay, startPod } from "./incomingCommand.ts";
import { Listening } from "./listening.ts";

const { http, echo, otherHttp } = targetPorts;

const answering = (name: string): RequestListener => {
  return (request, response) => void text(request).then((body) => response.end(`${name} ${request.method} ${request.url} ${body}`));
};

/** An agent that stays when its last client has gone. */
const staying = { env: { MIRRORD_AGENT_IDLE_TTL: "60" } };

/** One request with a body. */
async function send(
  method: string,
  path: string,
  body = "",
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  const sent = httpRequest({ host: podIpv4, port: http, method, path, headers, agent: false });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [NodeJS.ReadableStream & { statusCode: number }];
  return { status: response.statusCode, body: await text(response) };
}

/** Where `understudy steal` finds a server. */
const mapping = (port: number, server: Listening): string => `${port}:${server.port}`;

/** A port of this machine where nobody listens. */
async function unusedPort(): Promise<number> {
  const listening = await Listening.on(createServer());
  await listening[Symbol.asyncDispose]();
  return listening.port;
}

suite("understudy steal, with an agent", { skip: podSkipReason(), timeout: 240_000 }, () => {
  test("several ports go to their servers, HTTP and raw TCP, and back to the target with Ctrl-C", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod);
    await using first = await Listening.on(createHttpServer(answering("first")));
    await using second = await Listening.on(createHttpServer(answering("second")));
    await using raw = await Listening.on(
      createServer({ allowHalfOpen: true }, (socket) => void text(socket).then((all) => socket.end(`raw ${all}`))),
    );
    const ports = [mapping(http, first), mapping(otherHttp, second), mapping(echo, raw)];
    await using command = await IncomingCommand.start(agent.address, "steal", ...ports, "--to", "127.0.0.1");
    assert.equal((await send("POST", "/a", "body")).body, "first POST /a body");
    assert.equal((await get("/b", { port: otherHttp })).body, "second GET /b ");
    const socket = connect({ host: podIpv4, port: echo, allowHalfOpen: true });
    socket.end("hello there\r\n\r\n");
    assert.equal(await text(socket), "raw hello there\r\n\r\n");
    await command.line(/:7 {2}TCP/);
    const { code, stdout } = await command.stop();
    assert.equal(code, 0);
    assert.match(stdout, /^:80 {2}POST {3}\/a {2}200 {2}[\d.]+ ms {2}18 B$/m);
    assert.match(stdout, /^:81 {2}GET {4}\/b {2}200 /m);
    assert.match(stdout, /^:7 {2}TCP {4}10\.99\.0\.1:\d+ {2}15 B in {2}19 B out$/m);
    assert.match(stdout, /stolen: 2 requests \(2 2xx\), p50 [\d.]+ ms, p99 [\d.]+ ms, 1 connection$/m);
    assert.equal(targetSaw(await get("/after")).by, "target");
  });

  const wanted = {
    method: "PUT",
    path: "/api/x?y=1",
    body: '{"user":{"name":"me"}}',
    headers: { "x-user": "me", "content-type": "application/json" },
  };
  for (const [name, filter] of [
    ["header", ["--header", "^x-user: me$"]],
    ["path", ["--path", "^/api/x"]],
    ["method", ["--method", "put"]],
    ["body", ["--json-body", "$.user.name=^me$"]],
    ["jq", ["--jq", '. == "x-user: me"']],
    ["all of several", ["--header", "x-user", "--path", "api", "--method", "PUT", "--json-body", "$.user.name=me", "--all-of"]],
    ["any of several", ["--any-of", "--path", "^/nowhere$", "--json-body", "$.user.name=^me$"]],
  ] as const) {
    test(`a filter by ${name} takes what it wants and leaves the rest`, async () => {
      await using pod = await startPod();
      await using agent = await AgentProcess.start(pod);
      await using server = await Listening.on(createHttpServer(answering("server")));
      await using command = await IncomingCommand.start(agent.address, "steal", mapping(http, server), ...filter, "--json");
      const { method, path, body, headers } = wanted;
      assert.match((await send(method, path, body, headers)).body, /^server PUT/);
      assert.match((await send("GET", "/other", "", { "x-user": "somebody" })).body, /"by":"target"/);
      // One that fits in all but one respect is not enough for all, and fits a filter only by that.
      if (name === "all of several") assert.match((await send("POST", path, body, headers)).body, /"by":"target"/);
      await command.line(/"kind":"request"/);
      const { code } = await command.stop();
      assert.deepEqual([code, command.objects.length], [0, 2]);
      const [request = {}, summary = {}] = command.objects;
      assert.deepEqual([request["method"], request["status"], request["path"], request["port"]], ["PUT", 200, path, http]);
      assert.deepEqual([request["received"], request["error"]], [body.length, null]);
      const count = filter.filter((argument) => argument.startsWith("--") && !argument.endsWith("-of")).length;
      assert.equal((request["filters"] as string[]).length, name === "any of several" ? 1 : count);
      assert.deepEqual([summary["kind"], summary["requests"], summary["byStatus"]], ["summary", 1, { "2xx": 1 }]);
    });
  }

  test("a filter that the agent cannot read ends the command with the reason", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod);
    await using command = await IncomingCommand.run(agent.address, "steal", "80:1", "--path", "(?<a");
    const { code, stdout, stderr } = await command.ended();
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^understudy: the agent closed the session: Failed to parse the given HTTP filter: [^\n\\]+\n$/);
  });

  test("a server that does not answer is a 502 that says why; with --fallback the target answers", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod, staying);
    const port = await unusedPort();
    await using without = await IncomingCommand.start(agent.address, "steal", `${http}:${port}`);
    const refused = await send("POST", "/x", "body");
    assert.equal(refused.status, 502);
    assert.match(refused.body, new RegExp(`the request was stolen, but localhost:${port} did not answer it: .*ECONNREFUSED`));
    await without.stop();

    await using command = await IncomingCommand.start(agent.address, "steal", `${http}:${port}`, `${echo}:${port}`, "--fallback", "--json");
    const fallen = await send("POST", "/with?body", "x".repeat(300_000));
    assert.equal(fallen.status, 200);
    assert.deepEqual([targetSaw({ ...fallen, headers: {} }).by, targetSaw({ ...fallen, headers: {} }).path], ["target", "/with?body"]);
    assert.equal(targetSaw(await get("/over6", { host: "fd99::2" })).peer, "::1");
    const socket = connect({ host: podIpv4, port: echo, allowHalfOpen: true });
    socket.end("echoed by the target\r\n\r\n");
    assert.equal(await text(socket), "echoed by the target\r\n\r\n");
    await command.line(/"kind":"connection"/);
    await command.stop();
    const request = command.objects.find(({ path }) => path === "/with?body");
    assert.match(String(request?.["fellBackFor"]), /ECONNREFUSED/);
    assert.deepEqual([request?.["status"], request?.["error"]], [200, null]);
    assert.equal(command.objects.at(-1)?.["fellBack"], 3);
  });

  test("a server that breaks a request off falls back only while its body is kept", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod, staying);
    await using server = await Listening.on(
      createHttpServer((request, response) => {
        let bytes = 0;
        request.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes >= Number(request.headers["x-break-after"])) request.socket.destroy();
        });
        request.on("error", () => response.destroy());
      }),
    );
    await using _command = await IncomingCommand.start(agent.address, "steal", mapping(http, server), "--fallback", "--to", "127.0.0.1");
    const small = await send("POST", "/small", "x".repeat(600_000), { "x-break-after": "500000" });
    assert.equal(small.status, 200);
    const large = await send("POST", "/large", "x".repeat(3_000_000), { "x-break-after": "2500000" });
    assert.equal(large.status, 502);
    assert.match(large.body, /nor can the target: more of the request's body has been sent than is kept/);
  });

  test("requests in progress are finished within 3 s of Ctrl-C, and not waited for after a second one", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod, staying);
    const release = Promise.withResolvers<void>();
    const arrived = { slow: Promise.withResolvers<void>(), never: Promise.withResolvers<void>() };
    await using server = await Listening.on(
      createHttpServer((request, response) => {
        switch (request.url) {
          case "/slow":
            arrived.slow.resolve();
            void release.promise.then(() => response.end("late"));
            return;
          case "/never":
            arrived.never.resolve();
            return;
          default:
            response.end("at once");
        }
      }),
    );
    const stealPort = ["steal", mapping(http, server), "--to", "127.0.0.1"];
    /** The port is the target's again while requests are still answered. */
    const untilGivenBack = async (): Promise<void> => {
      while (!(await get("/meanwhile")).body.includes('"by":"target"'));
    };
    await using command = await IncomingCommand.start(agent.address, ...stealPort);
    const slow = get("/slow");
    await arrived.slow.promise;
    command.interrupt();
    await untilGivenBack();
    release.resolve();
    assert.equal((await slow).body, "late");
    assert.equal((await command.ended()).code, 0);

    await using hurried = await IncomingCommand.start(agent.address, ...stealPort);
    const unanswered = get("/never").catch(() => undefined);
    await arrived.never.promise;
    hurried.interrupt();
    await untilGivenBack();
    const startedAt = performance.now();
    assert.equal((await hurried.stop()).code, 130);
    assert.ok(performance.now() - startedAt < 2_000);
    await unanswered;
  });

  test("a connection that breaks is made again, with all ports; so is one to an agent that starts anew", async () => {
    await using pod = await startPod();
    const first = await AgentProcess.start(pod, staying);
    await using relay = await Relay.to(first.address);
    await using server = await Listening.on(createHttpServer(answering("server")));
    const ports = [mapping(http, server), mapping(otherHttp, server)];
    await using command = await IncomingCommand.start(relay.address, "steal", ...ports, "--to", "127.0.0.1");
    assert.equal((await get("/one")).body, "server GET /one ");
    relay.cut();
    await command.line(/connected again/);
    assert.equal((await get("/two")).body, "server GET /two ");
    assert.equal((await get("/two", { port: otherHttp })).body, "server GET /two ");
    await first.signal("SIGKILL");
    await first.ended;
    assert.equal(targetSaw(await get("/between")).by, "target");
    await using _second = await AgentProcess.start(pod, staying);
    while (!(await get("/three")).body.startsWith("server"));
    while (!(await get("/three", { port: otherHttp })).body.startsWith("server"));
    const { code, stderr } = await command.stop();
    assert.equal(code, 0);
    assert.equal(stderr.match(/connected again/g)?.length, 2);
  });
});
