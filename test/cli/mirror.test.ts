// `understudy mirror` in front of a real agent in a pod: what is shown, what a server gets, and that the target answers all the same.

import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, podIpv4, podSkipReason, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { as } from "../pod/stealing.ts";
import { IncomingCommand, Relay, startPod } from "./incomingCommand.ts";
import { Listening } from "./listening.ts";

const { http, echo, otherHttp } = targetPorts;

suite("understudy mirror, with an agent", { skip: podSkipReason(), timeout: 240_000 }, () => {
  test("a port alone is shown, request by request and connection by connection, while the target answers", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod);
    await using command = await IncomingCommand.start(agent.address, "mirror", String(http), String(echo));
    assert.equal(targetSaw(await get("/seen")).path, "/seen");
    const socket = connect({ host: podIpv4, port: echo, allowHalfOpen: true });
    socket.end("raw bytes\r\n\r\n");
    assert.equal(await text(socket), "raw bytes\r\n\r\n");
    await command.line(/^:80 {2}GET {4}\/seen {2}--- {2}[\d.]+ ms {2}0 B$/);
    await command.line(/^:7 {2}TCP {4}10\.99\.0\.1:\d+ {2}13 B in {2}0 B out$/);
    const { code, stdout } = await command.stop();
    assert.equal(code, 0);
    assert.match(stdout, /^mirroring everything of port 80, port 7; Ctrl-C ends it\n/);
    assert.match(stdout, /mirrored: 1 request \(1 without status\), .*, 1 connection$/m);
  });

  test("a server gets copies of what the filters want, whole, and its answers reach nobody", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod);
    const copies: string[] = [];
    await using server = await Listening.on(
      createHttpServer((request, response) => {
        void text(request).then((body) => {
          copies.push(`${request.method} ${request.url} ${body}`);
          response.writeHead(418).end("from the server");
        });
      }),
    );
    const filters = ["--any-of", "--header", "^x-user: me$", "--path", "^/both$"];
    await using command = await IncomingCommand.start(agent.address, "mirror", `${http}:${server.port}`, "--to", "127.0.0.1", ...filters);
    for (const [path, user] of [
      ["/mine", "me"],
      ["/theirs", "them"],
      ["/both", "me"],
    ] as const) {
      assert.equal(targetSaw(await get(path, { headers: as(user) })).by, "target");
    }
    await command.line(/\/mine {2}418 .*\(header \^x-user: me\$\)$/);
    await command.line(/\/both {2}418 .*\(header \^x-user: me\$, path \^\/both\$\)$/);
    await command.stop();
    assert.deepEqual(copies.toSorted(), ["GET /both ", "GET /mine "]);
  });

  test("raw connections are copied to a server; one that is not there is told, and the target does not notice", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod);
    const got = Promise.withResolvers<string>();
    await using server = await Listening.on(
      createServer((socket) => void text(socket.on("data", () => socket.write("ignored"))).then(got.resolve)),
    );
    const closed = await Listening.on(createServer());
    await closed[Symbol.asyncDispose]();
    const ports = [`${echo}:${server.port}`, `${otherHttp}:${closed.port}`];
    await using command = await IncomingCommand.start(agent.address, "mirror", ...ports, "--to", "127.0.0.1", "--json");
    const socket = connect({ host: podIpv4, port: echo, allowHalfOpen: true });
    socket.end("copy me\r\n\r\n");
    assert.equal(await text(socket), "copy me\r\n\r\n");
    assert.equal(await got.promise, "copy me\r\n\r\n");
    assert.equal((await get("/", { port: otherHttp })).body, '{"by":"target"}');
    await command.line(/ECONNREFUSED/);
    await command.line(/"kind":"connection"/);
    await command.stop();
    const connection = command.objects.find(({ kind }) => kind === "connection");
    assert.deepEqual([connection?.["port"], connection?.["received"], connection?.["error"]], [echo, 11, null]);
    const refused = command.objects.find(({ kind }) => kind === "request");
    assert.deepEqual([refused?.["port"], refused?.["status"]], [otherHttp, null]);
    assert.equal(command.objects.at(-1)?.["failed"], 1);
  });

  test("goes on with the same ports after its connection broke", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    await using relay = await Relay.to(agent.address);
    await using command = await IncomingCommand.start(relay.address, "mirror", String(http));
    relay.cut();
    await command.line(/connected again/);
    await get("/again");
    await command.line(/GET {4}\/again/);
    assert.equal((await command.stop()).code, 0);
  });
});
