import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { suite, test } from "node:test";
import { Metrics } from "./metrics.ts";
import { type AgentState, type MetricsServer, startMetricsServer } from "./server.ts";

const silentLog = { event: (): void => undefined };

function start(state: () => AgentState = () => "ready", capabilities = {}): Promise<MetricsServer> {
  return startMetricsServer({ metrics: new Metrics(), host: "127.0.0.1", port: 0, log: silentLog, state, capabilities });
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

async function ask(port: number, path: string, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

suite("the metrics server", () => {
  test("serves metrics in the text format", async () => {
    await using server = await start();
    const answer = await ask(server.port, "/metrics?x=1");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert.match(answer.body, /^mirrord_agent_client_count 0$/m);
    assert.match(answer.body, /^process_open_fds \d+$/m);
    assert.equal((await ask(server.port, "/metrics", "HEAD")).body, "");
  });

  test("answers probes, refuses other paths and methods", async () => {
    await using server = await start();
    const health = await ask(server.port, "/healthz");
    assert.deepEqual([health.status, health.body], [200, "ok"]);
    assert.equal((await ask(server.port, "/")).status, 404);
    assert.equal((await ask(server.port, "/metrics/")).status, 404);
    const posted = await ask(server.port, "/metrics", "POST");
    assert.deepEqual([posted.status, posted.headers["allow"]], [405, "GET, HEAD"]);
  });

  test("is alive in every state, but takes clients in one only", async () => {
    let state: AgentState = "starting";
    await using server = await start(() => state);
    for (const [current, status] of [
      ["starting", 503],
      ["ready", 200],
      ["stopping", 503],
    ] as const) {
      state = current;
      const ready = await ask(server.port, "/readyz");
      assert.deepEqual([ready.status, ready.body], [status, current]);
      assert.equal((await ask(server.port, "/healthz")).status, 200);
    }
  });

  test("reads no file and says nothing of what works while the agent starts", async () => {
    let state: AgentState = "starting";
    await using server = await start(() => state, { mode: "targetless" });
    assert.equal((await ask(server.port, "/capabilities")).status, 503);
    assert.doesNotMatch((await ask(server.port, "/metrics")).body, /process_/);
    state = "ready";
    const answer = await ask(server.port, "/capabilities");
    assert.deepEqual([answer.headers["content-type"], JSON.parse(answer.body)], ["application/json", { mode: "targetless" }]);
    assert.match((await ask(server.port, "/metrics")).body, /process_/);
  });

  test("closes connections beyond its limit and serves again when there is room", async () => {
    await using server = await start();
    const idle: Socket[] = [];
    for (let i = 0; i < 16; i++) {
      const socket = connect(server.port, "127.0.0.1");
      await once(socket, "connect");
      idle.push(socket);
    }
    await assert.rejects(ask(server.port, "/healthz"));
    const [first, ...others] = idle;
    const reply = once(first!, "data");
    first!.write("GET /healthz HTTP/1.0\r\n\r\n");
    assert.match(String((await reply)[0]), / 200 /);
    for (const socket of others) socket.destroy();
  });

  test("closes connections that are open when it ends, and can be closed twice", async () => {
    const server = await start();
    const socket = connect(server.port, "127.0.0.1");
    await once(socket, "connect");
    const closed = once(socket, "close");
    await server[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    socket.destroy();
    await closed;
  });

  test("tells the admin of an address that cannot be bound", async () => {
    await using server = await start();
    const codes: string[] = [];
    const log = { event: (code: string) => void codes.push(code) };
    const options = { metrics: new Metrics(), host: "127.0.0.1", port: server.port, log };
    await assert.rejects(startMetricsServer(options), { code: "EADDRINUSE" });
    assert.deepEqual(codes, ["METRICS_LISTEN_FAILED"]);
  });

  test("does not keep the process alive, even with a client connected", async () => {
    const program = `
      import { connect } from "node:net";
      import { once } from "node:events";
      const { startMetricsServer } = await import(${JSON.stringify(import.meta.resolve("./server.ts"))});
      const { Metrics } = await import(${JSON.stringify(import.meta.resolve("./metrics.ts"))});
      const server = await startMetricsServer({ metrics: new Metrics(), host: "127.0.0.1", port: 0, log: { event() {} } });
      const socket = connect(server.port, "127.0.0.1");
      await once(socket, "connect");
      socket.unref();
      console.log("at the end");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 10_000,
    });
    const [code] = (await once(child, "exit")) as [number | null];
    assert.equal(code, 0);
  });
});
