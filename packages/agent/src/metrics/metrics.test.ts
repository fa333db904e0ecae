import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { formatExposition } from "./exposition.ts";
import { Counter, CounterFamily, Gauge, Histogram, PortGauges } from "./instruments.ts";
import { Metrics } from "./metrics.ts";

const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined;
const promtoolMissing = hasPromtool || process.env["CI"] !== undefined ? false : "promtool is not installed";

suite("the exposition", () => {
  test("has the reference's names and help texts", async () => {
    const metrics = new Metrics();
    metrics.clientCount.add(2);
    const text = await metrics.exposition();
    assert.ok(
      text.startsWith(
        "# HELP mirrord_agent_client_count amount of connected clients to this mirrord-agent\n" +
          "# TYPE mirrord_agent_client_count gauge\nmirrord_agent_client_count 2\n",
      ),
    );
    const names = [...text.matchAll(/^# TYPE (mirrord_agent_\w+) gauge$/gm)].map((match) => match[1]);
    assert.deepEqual(names, [
      "mirrord_agent_client_count",
      "mirrord_agent_dns_request_count",
      "mirrord_agent_open_fd_count",
      "mirrord_agent_mirror_port_subscription_count",
      "mirrord_agent_mirror_connection_subscription_count",
      "mirrord_agent_steal_filtered_port_subscription_count",
      "mirrord_agent_steal_unfiltered_port_subscription_count",
      "mirrord_agent_redirected_connections_count",
      "mirrord_agent_redirected_requests_count",
      "mirrord_agent_tcp_outgoing_connection_count",
      "mirrord_agent_udp_outgoing_connection_count",
    ]);
  });

  test("shows bypassed requests by port from their first use on", async () => {
    const metrics = new Metrics();
    assert.doesNotMatch(await metrics.exposition(), /bypassed/);
    metrics.bypassedRequests.with(8080).add(1);
    assert.match(await metrics.exposition(), /^mirrord_agent_bypassed_requests\{port="8080"\} 1$/m);
    metrics.bypassedRequests.with(8080).add(-1);
    assert.match(await metrics.exposition(), /^mirrord_agent_bypassed_requests\{port="8080"\} 0$/m);
  });

  test("shows histograms with every bucket holding those below it", async () => {
    const metrics = new Metrics();
    for (const seconds of [0.0004, 0.003, 60]) metrics.httpRequestSeconds.with("stolen").observe(seconds);
    const text = await metrics.exposition({ isPoolUsable: false });
    const value = (name: string): number =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${name} `))
          ?.split(" ")[1],
      );
    const bucket = (bound: string): number => value(`understudy_http_request_seconds_bucket{outcome="stolen",le="${bound}"}`);
    assert.deepEqual(["0.0005", "0.001", "0.0025", "0.005", "10", "+Inf"].map(bucket), [1, 1, 1, 2, 2, 3]);
    assert.equal(value('understudy_http_request_seconds_count{outcome="stolen"}'), 3);
    assert.equal(value('understudy_http_request_seconds_sum{outcome="stolen"}'), 60.0034);
    assert.equal(value('understudy_http_request_seconds_count{outcome="passed"}'), 0);
  });

  test("tells of the process", async () => {
    const text = await new Metrics().exposition();
    const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    assert.ok(value("process_cpu_seconds_total") > 0);
    assert.ok(value("process_resident_memory_bytes") > 10_000_000);
    assert.ok(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
    assert.ok(value("process_open_fds") > 3);
    assert.ok(value("process_max_fds") >= value("process_open_fds"));
    assert.ok(value("process_threads") > 1);
    assert.ok(Math.abs(value("process_start_time_seconds") - Date.now() / 1000) < 600);
  });

  test("reads no file while the thread pool must not be used", async () => {
    assert.doesNotMatch(await new Metrics().exposition({ isPoolUsable: false }), /^process_/m);
  });

  test("escapes what the format gives a meaning to", () => {
    const samples = [{ labels: { path: 'a"b\\c\nd' }, value: Infinity }];
    assert.equal(
      formatExposition([{ name: "x", help: "one\ntwo\\", type: "gauge", samples }]),
      '# HELP x one\\ntwo\\\\\n# TYPE x gauge\nx{path="a\\"b\\\\c\\nd"} +Inf\n',
    );
  });

  test("passes promtool but for the names that are the reference's", { skip: promtoolMissing }, async () => {
    const metrics = new Metrics();
    metrics.bypassedRequests.with(80).add(1);
    metrics.receivedBytes.with("files").add(10);
    metrics.httpRequestSeconds.with("stolen").observe(0.003);
    metrics.fileRequestSeconds.observe(20);
    metrics.eventLoopDelays.observe(0.0001);
    const { stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: await metrics.exposition(), encoding: "utf8" });
    const complaints = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !/^mirrord_agent_\w+_count /.test(line));
    assert.deepEqual(complaints, []);
  });
});

suite("instruments", () => {
  test("a counter never goes down", () => {
    const counter = new Counter();
    counter.add();
    counter.add(4);
    counter.add(-3);
    counter.add(Number.NaN);
    assert.equal(counter.value, 5);
  });

  test("a value that somebody else keeps is read when it is shown", () => {
    let lines = 1;
    const counter = new Counter();
    counter.from(() => lines);
    lines = 3;
    assert.equal(counter.value, 3);
    const gauge = new Gauge();
    gauge.set(5);
    gauge.from(() => lines);
    assert.equal(gauge.value, 3);
  });

  test("a histogram counts each value once, in the range that its upper bound closes", () => {
    const histogram = new Histogram([0.1, 1]);
    for (const value of [0, 0.1, 0.11, 1, 7]) histogram.observe(value);
    assert.deepEqual(histogram.counts, [2, 2, 1]);
    assert.equal(histogram.sum, 8.21);
  });

  test("labels of a family are a closed set that is there from the start", () => {
    const family = new CounterFamily(["a", "b"]);
    family.with("a").add();
    assert.deepEqual(
      [...family.entries()].map(([label, counter]) => [label, counter.value]),
      [
        ["a", 1],
        ["b", 0],
      ],
    );
  });

  test("the number of ports with a gauge of their own is bounded", () => {
    const gauges = new PortGauges(2);
    for (const port of [1, 2, 3, 4, 1]) gauges.with(port).add(1);
    assert.deepEqual(
      [...gauges.entries()].map(([label, gauge]) => [label, gauge.value]),
      [
        ["1", 2],
        ["2", 1],
        ["other", 2],
      ],
    );
  });
});
