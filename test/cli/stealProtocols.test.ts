// `understudy steal` with servers that others wrote: gRPC and HTTP/2, WebSockets, and requests that stream.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { credentials, ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import { WebSocket, WebSocketServer } from "ws";
import { AgentProcess } from "../pod/agentProcess.ts";
import { callAll, EchoClient, expected, metadataOf } from "../pod/grpcCalls.ts";
import { echoService } from "../pod/grpcEcho.ts";
import { grpcServer } from "../pod/grpcServer.ts";
import { podIpv4, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { serveHttp2 } from "../pod/serveHttp2.ts";
import { IncomingCommand, startPod } from "./incomingCommand.ts";
import { Listening } from "./listening.ts";

const { http, grpc, http2 } = targetPorts;

/** A gRPC server of this machine. */
async function startGrpc(by: string): Promise<AsyncDisposable & { readonly port: number }> {
  const server = grpcServer(by);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, [Symbol.asyncDispose]: () => Promise.resolve(server.forceShutdown()) };
}

/** One HTTP/2 request with a body; the status and the body of the answer. */
async function requestHttp2(port: number, headers: Record<string, string>): Promise<string> {
  const session = connectHttp2(`http://${podIpv4}:${port}`);
  try {
    const stream = session.request({ ":method": "POST", ":path": "/x?y", ...headers });
    stream.end("body");
    const [answered] = (await once(stream, "response")) as [Record<string, unknown>];
    return `${String(answered[":status"])} ${await text(stream)}`;
  } finally {
    session.destroy();
  }
}

suite("understudy steal, protocols", { skip: podSkipReason(), timeout: 240_000 }, () => {
  test("gRPC calls of all kinds are answered by a gRPC server, and those of others by the target", async () => {
    await using pod = await startPod();
    await using _target = await serveHttp2(pod);
    await using agent = await AgentProcess.start(pod);
    await using server = await startGrpc("server");
    await using command = await IncomingCommand.start(
      agent.address,
      "steal",
      `${grpc}:${server.port}`,
      "--header",
      "^x-user: me$",
      "--json",
    );
    const client = new EchoClient(`ipv4:${podIpv4}:${grpc}`, credentials.createInsecure());
    const [stolen, passed] = await Promise.all([callAll(client, metadataOf("me")), callAll(client, metadataOf("somebody"))]);
    client.close();
    assert.deepEqual(stolen, expected("server"));
    assert.deepEqual(passed, expected("target"));
    await command.stop();
    const requests = command.objects.filter(({ kind }) => kind === "request");
    assert.deepEqual(
      requests.map(({ status, error }) => [status, error]),
      Array.from({ length: 5 }, () => [200, null]),
    );
  });

  test("gRPC calls that no server answers fall back to the target, and are 502 without that", async () => {
    await using pod = await startPod();
    await using _target = await serveHttp2(pod);
    await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    const server = await startGrpc("server");
    await server[Symbol.asyncDispose]();
    const client = new EchoClient(`ipv4:${podIpv4}:${grpc}`, credentials.createInsecure());
    {
      await using command = await IncomingCommand.start(agent.address, "steal", `${grpc}:${server.port}`, "--fallback");
      assert.deepEqual(await callAll(client, metadataOf("me")), expected("target"));
      await command.line(/by the target, for: .*ECONNREFUSED/);
    }
    await using _command = await IncomingCommand.start(agent.address, "steal", `${grpc}:${server.port}`);
    const { path, requestSerialize, responseDeserialize } = echoService.unary;
    const refused = await new Promise<ServiceError | null>((resolve) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, "hello", resolve);
    });
    assert.match(refused?.details ?? "", /HTTP status code 502/);
    client.close();
  });

  test("other HTTP/2 requests are sent as HTTP/1.1, or as HTTP/2 with --http2 where the server speaks it", async () => {
    await using pod = await startPod();
    await using _target = await serveHttp2(pod);
    await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    await using first = await Listening.on(
      createHttpServer(
        (request, response) => void text(request).then((body) => response.end(`${request.httpVersion} ${request.headers.host} ${body}`)),
      ),
    );
    const newer = createHttp2Server(
      (request, response) => void text(request).then((body) => response.end(`${request.httpVersion} ${request.url} ${body}`)),
    );
    await using second = await Listening.on(newer);
    for (const [server, options, answer] of [
      [first, [], `200 1.1 ${podIpv4}:${http2} body`],
      [first, ["--http2"], `200 1.1 ${podIpv4}:${http2} body`],
      [second, ["--http2"], "200 2.0 /x?y body"],
    ] as const) {
      await using _command = await IncomingCommand.start(
        agent.address,
        "steal",
        `${http2}:${server.port}`,
        "--to",
        "127.0.0.1",
        ...options,
      );
      assert.equal(await requestHttp2(http2, {}), answer);
      // A server that cannot speak HTTP/2 gets even gRPC as what it speaks.
      if (server === first) assert.equal(await requestHttp2(http2, { "content-type": "application/grpc" }), answer);
    }
  });

  test("WebSockets are joined with a server's, both ways; a server that refuses the upgrade answers as it does", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod);
    const plain = createHttpServer((_request, response) => void response.writeHead(426).end("no"));
    await using server = await Listening.on(plain);
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true });
    plain.on("upgrade", (request, socket, head) => {
      if (request.url === "/refused") socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
      else
        sockets.handleUpgrade(request, socket, head, (talk) => {
          talk.on("message", (message: Buffer, isBinary) => talk.send(isBinary ? message : `server ${message.toString()}`));
          talk.send("welcome");
        });
    });
    await using command = await IncomingCommand.start(
      agent.address,
      "steal",
      `${http}:${server.port}`,
      "--to",
      "127.0.0.1",
      "--path",
      "^/",
      "--json",
    );
    const talk = new WebSocket(`ws://${podIpv4}:${http}/talk`, { perMessageDeflate: true });
    const messages: string[] = [];
    const large = Buffer.alloc(3_000_000, "understudy ");
    const hasLarge = new Promise<boolean>((resolve) => {
      talk.on("message", (message: Buffer, isBinary) => {
        if (isBinary) resolve(message.equals(large));
        else messages.push(message.toString());
      });
    });
    await once(talk, "open");
    talk.send("one");
    talk.send("two");
    talk.send(large);
    assert.equal(await hasLarge, true);
    assert.deepEqual(messages, ["welcome", "server one", "server two"]);
    talk.close(1000, "enough");
    const [code] = (await once(talk, "close")) as [number];
    assert.equal(code, 1000);
    const refused = new WebSocket(`ws://${podIpv4}:${http}/refused`);
    const [error] = (await once(refused, "error")) as [Error];
    assert.match(error.message, /403/);
    await command.line(/"status":101/);
    await command.line(/"status":403/);
    await command.stop();
    const upgraded = command.objects.find(({ status }) => status === 101);
    assert.deepEqual([upgraded?.["path"], upgraded?.["error"]], ["/talk", null]);
    assert.ok(Number(upgraded?.["bytes"]) > 1_000 && Number(upgraded?.["received"]) > 1_000);
  });

  test("bodies stream through in both directions while neither has ended", async () => {
    await using pod = await startPod();
    await using agent = await AgentProcess.start(pod);
    await using server = await Listening.on(
      createHttpServer((request, response) => {
        response.flushHeaders();
        request.pipe(response);
      }),
    );
    await using _command = await IncomingCommand.start(agent.address, "steal", `${http}:${server.port}`, "--to", "127.0.0.1");
    const sent = httpRequest({ host: podIpv4, port: http, method: "POST", agent: false });
    sent.write("one");
    const [response] = (await once(sent, "response")) as [NodeJS.ReadableStream];
    for (const word of ["one", "two", "three"]) {
      if (word !== "one") sent.write(word);
      assert.equal(String(((await once(response, "data")) as [Buffer])[0]), word);
    }
    sent.end();
    await once(response, "end");
  });
});
