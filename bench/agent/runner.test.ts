// The runner without any measurement: its command line, the order of rounds, and what it reports.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { help, parseOptions } from "./options.ts";
import { planRuns } from "./plan.ts";
import { markdown, shown } from "./report.ts";
import { type BenchResult, machine, workResult } from "./results.ts";
import { works } from "./works/index.ts";
import { parseWrk } from "./wrk.ts";

const names = ["ping/single", "ping/pipelined", "http/passed-1"];

function problemOf(...argv: readonly string[]): string {
  const command = parseOptions(argv, names);
  return command.kind === "wrong" ? command.problem : `taken: ${command.kind}`;
}

suite("command line", () => {
  test("without options everything is measured alone, three times for two seconds", () => {
    const options = { against: null, rounds: 3, seconds: 2, warmUpSeconds: 0.5, only: [], json: null };
    assert.deepEqual(parseOptions([], names), { kind: "run", options });
  });

  test("what cannot be meant is refused with the option and the value", () => {
    assert.match(problemOf("--rounds", "0"), /--rounds: "0"/);
    assert.match(problemOf("--rounds", "1.5"), /--rounds: 1.5 is no whole number/);
    assert.match(problemOf("--seconds", "soon"), /--seconds: "soon"/);
    assert.match(problemOf("--only", "ping,nothing"), /no work or group "nothing"/);
    assert.match(problemOf("--against", "agent -l 1"), /\{port\}/);
    assert.match(problemOf("--nonsense"), /--nonsense/);
  });

  test("help names every option", () => {
    assert.equal(parseOptions(["--help"], names).kind, "help");
    for (const option of ["--against", "--rounds", "--seconds", "--warm-up", "--only", "--json", "--list"])
      assert.ok(help.includes(option), option);
  });
});

suite("order", () => {
  test("two agents take turns in every round of a work, and only chosen works are done", () => {
    const runs = planRuns(names, { against: "agent -l {port}", rounds: 2, only: ["ping/single", "http"] });
    assert.deepEqual(
      runs.map(({ work, side, round }) => `${work} ${round} ${side}`),
      ["ping/single", "http/passed-1"].flatMap((work) => [
        `${work} 1 other`,
        `${work} 1 understudy`,
        `${work} 2 other`,
        `${work} 2 understudy`,
      ]),
    );
  });

  test("names of works are unique and have a group", () => {
    assert.equal(new Set(works.map(({ name }) => name)).size, works.length);
    for (const { name } of works) assert.match(name, /^\w+\/[\w-]+$/);
  });
});

suite("report", () => {
  const figure = (value: number) => ({ what: "pings", unit: "per s", better: "higher", value }) as const;
  const done = [100, 400, 200].flatMap((value, index) => [
    {
      run: { work: "ping/single", side: "other", round: index + 1 } as const,
      result: { kind: "figures", figures: [figure(value)] } as const,
    },
    {
      run: { work: "ping/single", side: "understudy", round: index + 1 } as const,
      result: { kind: "figures", figures: [figure(2 * value)] } as const,
    },
  ]);
  const result = (against: string | null): BenchResult => ({
    machine: machine(),
    options: { against, rounds: 3, seconds: 2, warmUpSeconds: 0.5, only: [] },
    works: [
      workResult("ping/single", done),
      workResult("names/server", [
        { run: { work: "names/server", side: "other", round: 1 }, result: { kind: "failed", reason: "no | answer\ncame" } },
      ]),
      { name: "http/passed-1", skipped: "needs wrk", failures: [], figures: [] },
    ],
  });

  test("a comparison has medians of both sides, their ratio, failures and what was skipped", () => {
    const text = markdown(result("agent -l {port}"));
    assert.ok(text.includes("| pings, per s | 200 | 400 | 2.00 | ±100 % |"), text);
    assert.ok(text.includes("| names/server: **failed** (other, round 1): no \\| answer came | | | | |"), text);
    assert.ok(text.includes("| http/passed-1: skipped, needs wrk | | | | |"), text);
    const columns = text
      .split("\n")
      .filter((line) => line.startsWith("|"))
      .map((line) => line.replaceAll("\\|", "").split("|").length);
    assert.deepEqual(new Set(columns), new Set([7]));
  });

  test("one agent alone has no ratio, and all rounds are in the JSON", () => {
    assert.ok(markdown(result(null)).includes("| pings, per s | 400 | ±100 % |"));
    const json = JSON.parse(JSON.stringify(result(null))) as BenchResult;
    assert.deepEqual(json.works[0]?.figures[0]?.sides.understudy?.values, [200, 800, 400]);
  });

  test("numbers keep three digits", () => {
    assert.deepEqual([12_345.6, 12.345, 0.98765].map(shown), ["12,346", "12.3", "0.99"]);
  });
});

suite("wrk", () => {
  const text = `Running 2s test
  Latency Distribution
     50%  120.00us
     99%    3.50ms
  2000 requests in 2.00s, 1.00MB read
Requests/sec:   1000.50
`;
  test("its figures are read in all its units", () => {
    assert.deepEqual(parseWrk(text), { requests: 2000, requestsPerSecond: 1000.5, p50Ms: 0.12, p99Ms: 3.5 });
  });

  test("requests that failed fail the measurement", () => {
    assert.throws(() => parseWrk(`${text}  Non-2xx or 3xx responses: 7\n`), /Non-2xx or 3xx responses: 7/);
    assert.throws(() => parseWrk(`${text}  Socket errors: connect 0, read 5, write 0, timeout 0\n`), /read 5/);
    assert.throws(() => parseWrk("nothing"), /did no request/);
  });
});
