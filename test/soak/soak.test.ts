// A short soak, and what its judge says of leaks.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { podSkipReason } from "../pod/pod.ts";
import { gaugesOf, type RestingState } from "./agentState.ts";
import { markdown } from "./report.ts";
import { scenarios } from "./scenarios/index.ts";
import { soak } from "./soak.ts";
import { longRunLimits, problems } from "./verdict.ts";

/** The heap of a young agent still grows, and on a busy machine it is collected late: what this finds is a leak that grows with every session. */
const shortRunLimits = { memoryMiB: 15, wakeUps: 100 };

/** Of some ten thousand. Beside other tests a turn may fail for want of time; what each scenario does has tests of its own. */
const FAILED_TURNS_MAX = 5;

const resting: RestingState = {
  residentMiB: 70,
  proportionalMiB: 50,
  descriptors: ["socket", "pipe"],
  threads: 20,
  children: [],
  rules: [],
  ports: [],
  gauges: {},
  wakeUps: 2,
};
const atRest = { warm: resting, end: resting, failures: [], complaints: [] };

suite("soak", () => {
  test("an agent whose sessions came and went in all ways holds nothing of them", { skip: podSkipReason(), timeout: 115_000 }, async () => {
    const result = await soak({ warmUpSeconds: 25, seconds: 40, limits: shortRunLimits, scenarios });
    const isTurn = (problem: string): boolean => problem.startsWith("a scenario failed:");
    assert.deepEqual(
      result.problems.filter((problem) => !isTurn(problem)),
      [],
      markdown(result),
    );
    assert.ok(result.problems.filter(isTurn).length <= FAILED_TURNS_MAX, markdown(result));
    for (const [name, count] of Object.entries(result.turns)) assert.ok(count >= 3, `${name}: ${count} turns`);
  });

  test("everything that may be left behind is told", () => {
    assert.deepEqual(problems(atRest, longRunLimits), []);
    const end: RestingState = {
      residentMiB: 76,
      proportionalMiB: 56,
      descriptors: ["socket", "socket", "pipe", "/a/file"],
      threads: 21,
      children: ["nft"],
      rules: ["table inet understudy"],
      ports: [8080],
      gauges: { mirrord_agent_client_count: 1 },
      wakeUps: 30,
    };
    const found = problems({ ...atRest, end, failures: ["files, turn 1: it failed"], complaints: ["WARN X"] }, longRunLimits).join("\n");
    for (const word of [
      "residentMiB",
      "proportionalMiB",
      "2 descriptors were left open; new: 1 socket, 1 /a/file",
      "1 threads",
      "timer",
      "rules",
      "8080",
      "nft",
      "client_count",
      "turn 1",
      "WARN X",
    ]) {
      assert.ok(found.includes(word), `${word} is missing in: ${found}`);
    }
    assert.deepEqual(problems({ ...atRest, end: null }, longRunLimits), ["the agent ended"]);
  });

  test("gauges are read from an exposition, counters and those of no session are not", () => {
    const text = [
      "# TYPE mirrord_agent_client_count gauge",
      "mirrord_agent_client_count 2",
      "# TYPE mirrord_agent_bypassed_requests gauge",
      'mirrord_agent_bypassed_requests{port="80"} 1',
      "# TYPE understudy_buffered_bytes_limit gauge",
      "understudy_buffered_bytes_limit 33554432",
      "# TYPE understudy_sessions_total counter",
      "understudy_sessions_total 5",
    ].join("\n");
    assert.deepEqual(gaugesOf(text), { mirrord_agent_client_count: 2, 'mirrord_agent_bypassed_requests{port="80"}': 1 });
  });
});
