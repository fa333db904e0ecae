// What an admin sees of stolen requests that went wrong, and of the time that filters take.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { suite, test } from "node:test";
import type { HttpFilter, LayerTcpSteal } from "@understudy/protocol";
import { AgentProcess } from "../pod/agentProcess.ts";
import { request } from "../pod/http.ts";
import { get, Pod, podIpv4, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { encoded, RawClient } from "../pod/rawClient.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";

const { http } = targetPorts;
const metricsPort = 9000;
/** Nobody listens here. */
const deadPort = 8099;

const options = { options: ["-t", "60", "--metrics", `0.0.0.0:${metricsPort}`], env: { MIRRORD_AGENT_IDLE_TTL: "60" } } as const;

/** The values of one metric by its only label. */
async function valuesOf(name: string): Promise<Readonly<Record<string, number>>> {
  const { body } = await request({ host: podIpv4, port: metricsPort, path: "/metrics" });
  const samples = body.matchAll(new RegExp(`^${name}\\{\\w+="(\\w+)"\\} (\\S+)$`, "gm"));
  return Object.fromEntries(Array.from(samples, ([, label = "", value]) => [label, Number(value)]));
}

/** The status of an answer over HTTP/2 with prior knowledge. */
async function statusOverHttp2(port: number, headers: Readonly<Record<string, string>>): Promise<number> {
  const session = connectHttp2(`http://${podIpv4}:${port}`);
  try {
    const stream = session.request({ ":path": "/", ...headers });
    const [response] = (await once(stream, "response")) as [Record<string, unknown>];
    return Number(response[":status"]);
  } finally {
    session.destroy();
  }
}

type Ask = (headers: Readonly<Record<string, string>>, port?: number) => Promise<number>;
const versions: Readonly<Record<string, Ask>> = {
  "HTTP/1.1": async (headers, port = http) => (await get("/", { port, headers })).status,
  "HTTP/2": (headers, port = http) => statusOverHttp2(port, headers),
};

/** A client that steals, and says the same again and again until its request has been answered. */
async function stealAndSay(message: LayerTcpSteal, ask: Ask): Promise<number> {
  using client = await RawClient.connect();
  const filter: HttpFilter = { kind: "header", value: "^x-user: raw$" };
  const subscribe = { kind: "portSubscribe", value: { kind: "filteredHttpEx", value: [http, filter] } } as const;
  client.send(encoded({ kind: "switchProtocolVersion", value: "1.29.0" }, { kind: "tcpSteal", value: subscribe }));
  const saying = setInterval(() => client.send(encoded({ kind: "tcpSteal", value: message })), 10);
  try {
    let status = 200;
    // The first ones may come before the port is redirected.
    while (status === 200) status = await ask(as("raw"));
    return status;
  } finally {
    clearInterval(saying);
  }
}

const sayings: Readonly<Record<"client_gave_up" | "answer_invalid", LayerTcpSteal>> = {
  client_gave_up: { kind: "connectionUnsubscribe", value: 0 },
  answer_invalid: {
    kind: "httpResponseFramed",
    value: {
      port: http,
      connectionId: 0,
      requestId: 0,
      internalResponse: { status: 200, version: "HTTP/1.1", headers: [["content-length", [Buffer.from("x")]]], body: [] },
    },
  },
};

suite("the metrics", { skip: podSkipReason() }, () => {
  test("count each 502 of the agent by its cause, over both versions of HTTP, and no other", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, options);
    await using session = await agent.connect();
    await session.steal(http, { filter: wantedBy("me"), onRequest: () => ({ status: 502 }) });
    await session.steal(deadPort, { filter: wantedBy("me"), onRequest: answerAs("client") });
    const expected = { client_gone: 0, client_gave_up: 0, answer_invalid: 0, target_failed: 0 };
    const counted = (): Promise<Readonly<Record<string, number>>> => valuesOf("understudy_bad_gateway_answers_total");
    for (const [version, ask] of Object.entries(versions)) {
      assert.equal(await ask(as("me")), 502, version);
      assert.deepEqual(await counted(), expected, version);

      const arrived = Promise.withResolvers<void>();
      const leaving = await agent.connect();
      await leaving.steal(http, { filter: wantedBy("leaving"), onRequest: () => (arrived.resolve(), new Promise(() => undefined)) });
      const status = ask(as("leaving"));
      await arrived.promise;
      await leaving[Symbol.asyncDispose]();
      assert.equal(await status, 502, version);
      expected.client_gone += 1;
      assert.deepEqual(await counted(), expected, version);

      assert.equal(await ask({}, deadPort), 502, version);
      expected.target_failed += 1;
      assert.deepEqual(await counted(), expected, version);

      for (const cause of ["client_gave_up", "answer_invalid"] as const) {
        assert.equal(await stealAndSay(sayings[cause], ask), 502, version);
        expected[cause] += 1;
        assert.deepEqual(await counted(), expected, version);
      }
    }
  });

  test("tell the time of filters by their kind, and of none where a port has no filter", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, options);
    await using session = await agent.connect();
    const counts = (): Promise<Readonly<Record<string, number>>> => valuesOf("understudy_filter_seconds_count");
    const onRequest = answerAs("client");
    const unfiltered = await session.steal(http, { onRequest });
    assert.equal((await get()).body, "client /\n");
    assert.deepEqual(await counts(), { plain: 0, body: 0, jq: 0, backtracking: 0 });
    await unfiltered.close();

    const filtered = await session.steal(http, { filter: wantedBy("me"), onRequest });
    for (const user of ["me", "you", "me"]) await get("/", { headers: as(user) });
    assert.deepEqual(await counts(), { plain: 3, body: 0, jq: 0, backtracking: 0 });
    await filtered.close();

    await session.steal(http, { filter: { kind: "header", value: "^x-user: (?=me)m" }, onRequest });
    assert.equal((await get("/", { headers: as("me") })).body, "client /\n");
    assert.deepEqual(await counts(), { plain: 4, body: 0, jq: 0, backtracking: 1 });
    const seconds = await valuesOf("understudy_filter_seconds_sum");
    assert.ok((seconds["plain"] ?? 0) > 0 && (seconds["backtracking"] ?? 0) > 0);
    assert.ok((seconds["plain"] ?? 1) < 1);
  });
});
