// The metrics of an agent at work: what was done is counted under its name, what is in use is shown beside its limit, and Prometheus' own tool reads all of it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentProcess } from "../pod/agentProcess.ts";
import { request } from "../pod/http.ts";
import { get, Pod, podIpv4, podSkipReason, targetFile, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";

const PORT = 9000;

const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined;

async function ask(path: string): Promise<string> {
  return (await request({ host: podIpv4, port: PORT, path })).body;
}

/** A sample's value; the name with its labels, as it is written. */
function valueOf(text: string, name: string): number {
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  assert.ok(line !== undefined, `there is no ${name}`);
  return Number(line.slice(name.length + 1));
}

suite("the metrics of an agent at work", { skip: podSkipReason() }, () => {
  test("count what was done, show what is in use, and go back to nothing", async () => {
    await using pod = await Pod.start();
    const options = ["-t", "60", "--metrics", `0.0.0.0:${PORT}`];
    await using agent = await AgentProcess.start(pod, { options, env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    const session = await agent.connect();
    await session.steal(targetPorts.http, { filter: wantedBy("me"), onRequest: answerAs("client") });
    for (let i = 0; i < 3; i++) assert.equal((await get("/mine", { headers: as("me") })).body, "client /mine\n");
    assert.equal(targetSaw(await get("/theirs")).by, "target");
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);

    const during = await ask("/metrics");
    const expected: Readonly<Record<string, number>> = {
      mirrord_agent_client_count: 1,
      mirrord_agent_steal_filtered_port_subscription_count: 1,
      mirrord_agent_steal_unfiltered_port_subscription_count: 0,
      mirrord_agent_redirected_requests_count: 0,
      'mirrord_agent_bypassed_requests{port="80"}': 0,
      understudy_sessions_total: 1,
      understudy_redirected_ports: 1,
      understudy_pool_threads: 16,
      understudy_session_buffered_bytes_limit: 512 * 1024,
      understudy_buffered_bytes_limit: 32 * 1024 * 1024,
      'understudy_http_requests_total{outcome="stolen"}': 3,
      'understudy_http_requests_total{outcome="passed"}': 1,
      'understudy_http_request_seconds_count{outcome="stolen"}': 3,
      'understudy_http_request_seconds_count{outcome="passed"}': 1,
      understudy_decode_errors_total: 0,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(valueOf(during, name), value, name);
    for (const name of [
      'understudy_received_bytes_total{kind="files"}',
      'understudy_sent_bytes_total{kind="files"}',
      'understudy_sent_bytes_total{kind="steal"}',
      "understudy_file_request_seconds_count",
    ]) {
      assert.ok(valueOf(during, name) > 0, name);
    }

    // Looked at a few times a second.
    while (valueOf(await ask("/metrics"), "understudy_event_loop_lag_seconds_count") === 0) await sleep(50);

    await session[Symbol.asyncDispose]();
    const after = await ask("/metrics");
    for (const name of [
      "mirrord_agent_client_count",
      "mirrord_agent_steal_filtered_port_subscription_count",
      "understudy_redirected_ports",
    ])
      assert.equal(valueOf(after, name), 0, name);
  });

  test("pass promtool but for the names that are the reference's", { skip: !hasPromtool && process.env["CI"] === undefined }, async () => {
    await using pod = await Pod.start();
    await using _agent = await AgentProcess.start(pod, { options: ["-t", "60", "--metrics", `0.0.0.0:${PORT}`] });
    const { stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: await ask("/metrics"), encoding: "utf8" });
    const complaints = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !/^mirrord_agent_\w+_count /.test(line));
    assert.deepEqual(complaints, []);
  });

  test("stand beside probes: alive and ready from the start to SIGTERM", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { options: ["-t", "60", "--metrics", `0.0.0.0:${PORT}`] });
    assert.deepEqual([await ask("/healthz"), await ask("/readyz")], ["ok", "ready"]);
    await agent.signal("SIGTERM");
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
  });
});
