// HTTP/2 through the kernel's redirect, with peers and targets that others wrote: gRPC in all its kinds of call, curl, and h2load's many streams at once.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { credentials, type Metadata } from "@grpc/grpc-js";
import { headersFromRaw, type IncomingRequest, type StolenResponse } from "@understudy/client";
import { AgentProcess } from "../pod/agentProcess.ts";
import { callAll, EchoClient, expected, metadataOf } from "../pod/grpcCalls.ts";
import { failure, said } from "../pod/grpcEcho.ts";
import { Pod, podIpv4, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { serveHttp2 } from "../pod/serveHttp2.ts";
import { wantedBy } from "../pod/stealing.ts";

const run = promisify(execFile);

/** Answers calls of the service as a client that steals them, on gRPC's own framing. */
function answerGrpc(by: string): (request: IncomingRequest) => StolenResponse {
  return (request) => {
    let status = 0;
    const answers = async function* (): AsyncGenerator<Uint8Array> {
      const messages = messagesOf(request);
      switch (request.uri.slice(request.uri.lastIndexOf("/") + 1)) {
        case "join": {
          const all: string[] = [];
          for await (const message of messages) all.push(message);
          yield framed(said(by, all.join("+")));
          return;
        }
        case "thrice":
          for await (const message of messages) for (let i = 0; i < 3; i++) yield framed(said(by, message));
          return;
        default:
          for await (const message of messages) {
            if (message === failure.message) status = failure.code;
            else yield framed(said(by, message));
          }
      }
    };
    return {
      status: 200,
      headers: headersFromRaw(["content-type", "application/grpc"]),
      body: answers(),
      trailers: () => headersFromRaw(["grpc-status", String(status), "grpc-message", status === 0 ? "" : failure.details]),
    };
  };
}

async function* messagesOf({ body }: IncomingRequest): AsyncGenerator<string> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of body) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      yield bytes.toString("utf8", 5, end);
      bytes = bytes.subarray(end);
    }
  }
}

function framed(message: string): Buffer {
  const payload = Buffer.from(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Why a tool's tests are skipped; in CI they never are. */
function toolSkipReason(tool: string): string | false {
  if (process.env["CI"] !== undefined) return false;
  return podSkipReason() || (spawnSync(tool, ["--version"]).error === undefined ? false : `needs ${tool}`);
}

function loadSucceeded(output: string, requests: number): void {
  assert.match(output, new RegExp(`${requests} succeeded, 0 failed, 0 errored, 0 timeout`));
}

suite("HTTP/2 on a stolen port", { skip: podSkipReason() }, () => {
  test("gRPC calls of all kinds go to the client that wants them, and others to the target, over one connection", async () => {
    await using pod = await Pod.start();
    await using _target = await serveHttp2(pod);
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await using watching = await agent.connect();
    const mirrored: string[] = [];
    const allMirrored = Promise.withResolvers<void>();
    await session.steal(targetPorts.grpc, { filter: wantedBy("me"), onRequest: answerGrpc("client") });
    await watching.mirror(targetPorts.grpc, {
      filter: wantedBy("somebody"),
      onRequest: async (request) => {
        const messages: string[] = [];
        for await (const message of messagesOf(request)) messages.push(message);
        mirrored.push(`${request.method} ${request.version} ${request.uri} ${messages.join()}`);
        if (mirrored.length === 5) allMirrored.resolve();
      },
    });
    const client = new EchoClient(`ipv4:${podIpv4}:${targetPorts.grpc}`, credentials.createInsecure());
    const [stolen, passed] = await Promise.all([callAll(client, metadataOf("me")), callAll(client, metadataOf("somebody"))]);
    client.close();
    assert.deepEqual(stolen, expected("client"));
    assert.deepEqual(passed, expected("target"));
    await allMirrored.promise;
    const uri = (name: string): string => `POST HTTP/2.0 http://${podIpv4}:${targetPorts.grpc}/test.Echo/${name}`;
    assert.deepEqual(mirrored.toSorted(), [
      `${uri("chat")} one,two,three`,
      `${uri("join")} a,b,c`,
      `${uri("thrice")} again`,
      `${uri("unary")} fail`,
      `${uri("unary")} hello`,
    ]);
  });

  test("curl's requests are answered by whom they are for", { skip: toolSkipReason("curl") }, async () => {
    await using pod = await Pod.start();
    await using _target = await serveHttp2(pod);
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(targetPorts.http2, {
      filter: wantedBy("me"),
      // An answer before the end of a request resets its stream without an error, which some versions of curl take for one.
      onRequest: async ({ uri, version, body }) => ({ status: 200, body: Buffer.from(`client ${version} ${uri} ${await text(body)}`) }),
    });
    const curl = async (...options: readonly string[]): Promise<string> => {
      const url = `http://${podIpv4}:${targetPorts.http2}/x`;
      return (await run("curl", ["--silent", "--show-error", "--max-time", "5", "--http2-prior-knowledge", ...options, url])).stdout;
    };
    assert.equal(
      await curl("--header", "x-user: me", "--data", "some body"),
      `client HTTP/2.0 http://${podIpv4}:${targetPorts.http2}/x some body`,
    );
    assert.equal(await curl("--data", "some body"), "target\n");
  });

  test("many streams at once of many connections are all answered, passed and stolen", { skip: toolSkipReason("h2load") }, async () => {
    await using pod = await Pod.start();
    await using _target = await serveHttp2(pod);
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const body = Buffer.from("client\n");
    await session.steal(targetPorts.http2, { filter: wantedBy("me"), onRequest: () => ({ status: 200, body }) });
    for (const user of ["somebody", "me"]) {
      const requests = 20_000;
      const url = `http://${podIpv4}:${targetPorts.http2}/`;
      loadSucceeded(
        (await run("h2load", ["-c8", "-m32", `-n${requests}`, "-H", `x-user: ${user}`, url], { timeout: 60_000 })).stdout,
        requests,
      );
    }
    await session.ping();
  });

  test("an agent that stops finishes the calls that are under way", async () => {
    await using pod = await Pod.start();
    await using _target = await serveHttp2(pod);
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(targetPorts.grpc, { filter: wantedBy("me"), onRequest: answerGrpc("client") });
    const client = new EchoClient(`ipv4:${podIpv4}:${targetPorts.grpc}`, credentials.createInsecure());
    const call = (client as unknown as { chat: (metadata: Metadata) => NodeJS.ReadWriteStream }).chat(metadataOf("somebody"));
    call.write("before");
    assert.deepEqual(await once(call, "data"), [said("target", "before")]);
    await agent.signal("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 200));
    call.write("after");
    assert.deepEqual(await once(call, "data"), [said("target", "after")]);
    call.on("data", () => undefined).end();
    await once(call, "end");
    client.close();
    assert.equal((await agent.ended).code, 0);
  });
});
