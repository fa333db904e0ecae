// `understudy demo` as a newcomer runs it: what it shows, and that nothing of it stays, however it ends. Needs what the demo needs.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { missingRequirements } from "../../demo/requirements.ts";
import { stepNames } from "../../demo/stepNames.ts";
import { DemoRun } from "../../testing/demoRun.ts";
import { finished, runCommand } from "../../testing/runCommand.ts";

const missing = await missingRequirements();
const skip = missing.length > 0 && process.env["CI"] === undefined ? missing.join("; ") : false;

suite("understudy demo, its arguments", () => {
  test("--list prints each step with a line, or those that are named", async () => {
    const { code, stdout, stderr } = await runCommand(["demo", "--list"]);
    assert.deepEqual([code, stderr], [0, ""]);
    const lines = stdout.trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => /^(\w+) +[A-Z]/.exec(line)?.[1]),
      [...stepNames],
    );
    const some = await runCommand(["demo", "--list", "tcp"]);
    assert.match(some.stdout, /^tcp +You steal a port .*\n$/);
  });

  test("--list --json prints one array, and --json alone is a usage error", async () => {
    const { code, stdout } = await runCommand(["demo", "--list", "--json", "tcp", "look"]);
    const steps = JSON.parse(stdout) as readonly { name: string; title: string }[];
    assert.deepEqual([code, steps.map(({ name }) => name)], [0, ["tcp", "look"]]);
    assert.match(steps[0]?.title ?? "", /^You steal a port /);
    assert.equal((await runCommand(["demo", "--json"])).code, 2);
  });

  test("a step that there is not is a usage error, with the one that was meant", async () => {
    const { code, stdout, stderr } = await runCommand(["demo", "steal", "mirorr"]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /'mirorr' is invalid .* Did you mean mirror\? The steps are steal, mirror, .*reconnect\./);
    const far = await runCommand(["demo", "everything"]);
    assert.equal(far.code, 2);
    assert.match(far.stderr, /'step'\. The steps are steal/);
  });
});

suite("understudy demo", { skip }, () => {
  test("shows every step within two screens, and nothing of it stays", async () => {
    const startedAt = performance.now();
    await using run = await DemoRun.start();
    await run.line(/x-demo: you/);
    assert.ok((await run.noteNetworks()) >= 4, "target, agent, and what started them");
    assert.equal(await run.ended, 0, run.stderr.join("\n"));
    assert.deepEqual(await run.leftovers(), []);
    const shown = run.stdout.join("\n");
    for (const pattern of [
      /agent ready - version /,
      /GET \/products\/2 +200 {2}the shop .*"9\.00 EUR"/,
      /redirects port 80 by table inet /,
      /GET \/products\/2 {2}x-demo: me +200 {2}your laptop .*"7\.20 EUR"/,
      /POST \/cart {2}x-demo: me +201 {2}your laptop .*"quantity":3/,
      /GET \/products\/2 {2}x-demo: you +200 {2}the shop /,
      /100 more, .* the same status, headers and body/,
      /SHOP_CURRENCY=EUR/,
      /DATABASE_URL=postgres:/,
      /cat \/etc\/shop\/config\.json --agent /,
      /file +\{"name":"Corner Shop"/,
      /payments is [\d.]+/,
      /GET \/status +200 {2}payments .*"status":"open"/,
      /understudy mirror 80 --path '\^\/' --agent [\d.]+:61337/,
      /copy +POST \/cart \{"product":2,"quantity":3\}/,
      /stolen +0 of coffee, says your laptop/,
      /afterwards +12 of coffee, says the shop/,
      /understudy forward 0:payments:8080 --agent /,
      /understudy exec --agent [\d.]+:61337 -- node -e /,
      /it prints +\{"service":"payments"/,
      /cut, and back after \d+ ms/,
      /ended with exit code 0/,
      /nft list tables: none/,
      /Done in .* s/,
      /understudy steal 80 --to /,
    ]) {
      assert.match(shown, pattern);
    }
    const steps = run.stdout.flatMap((line) => /^ *(\d+) {2}/.exec(line)?.[1] ?? []);
    assert.deepEqual(steps, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
    assert.ok(run.stdout.length <= 80, `${run.stdout.length} lines`);
    assert.ok(!shown.includes("\u001b"), "colour, where there is no terminal");
    assert.deepEqual(run.stderr, []);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 10_000, `${tookMs} ms`);
  });

  for (const name of stepNames) {
    test(`${name} is shown alone`, async () => {
      await using run = await DemoRun.start(name);
      assert.equal(await run.ended, 0, run.stderr.join("\n"));
      assert.deepEqual(shownSteps(run), [name]);
      assert.deepEqual([await run.leftovers(), run.stderr], [[], []]);
    });
  }

  test("several are shown once each, in the order of the tour", async () => {
    await using run = await DemoRun.start("look", "mirror", "look");
    assert.equal(await run.ended, 0, run.stderr.join("\n"));
    assert.deepEqual(shownSteps(run), ["mirror", "look"]);
  });

  test("two at once do not meet", async () => {
    await using one = await DemoRun.start();
    await using other = await DemoRun.start();
    assert.deepEqual(await Promise.all([one.ended, other.ended]), [0, 0], [...one.stderr, ...other.stderr].join("\n"));
    assert.deepEqual([...(await one.leftovers()), ...(await other.leftovers())], []);
  });

  // From before there is anything, through the middle of making the pod and starting the agent, to a running steal.
  for (const [moment, reached] of [
    ["as the pod is begun", (run: DemoRun) => run.line(/^ 1 {2}/)],
    ["in the middle of making the pod", (run: DemoRun) => run.cable()],
    ["as the agent starts", (run: DemoRun) => run.line(/^ 2 {2}/)],
    ["while it steals", (run: DemoRun) => run.line(/^ 4 {2}/)],
    ["in the middle of the visits", (run: DemoRun) => run.line(/x-demo: you/)],
    ["while it mirrors", (run: DemoRun) => run.line(/^ 5 {2}/)],
    ["while its program runs", (run: DemoRun) => run.programOutside()],
    ["before its connection breaks", (run: DemoRun) => run.line(/^10 {2}/)],
    ["as it leaves", (run: DemoRun) => run.line(/^11 {2}/)],
  ] as const) {
    test(`Ctrl-C ${moment} leaves nothing`, async () => {
      await using run = await DemoRun.start();
      await reached(run);
      await run.signal("SIGINT");
      assert.equal(await run.ended, 130);
      assert.deepEqual(await run.leftovers(), []);
      assert.deepEqual(run.stderr, ["understudy: interrupted; everything the demo made is gone"]);
    });
  }

  for (const [moment, reached] of [
    ["in the middle of making the pod", (run: DemoRun) => run.cable()],
    ["as the agent starts", (run: DemoRun) => run.line(/^ 2 {2}/)],
    ["while it steals", (run: DemoRun) => run.line(/x-demo: you/)],
    ["while its program runs", (run: DemoRun) => run.programOutside()],
  ] as const) {
    test(`SIGKILL ${moment} leaves nothing`, async () => {
      await using run = await DemoRun.start();
      await reached(run);
      await run.signal("SIGKILL");
      assert.equal(await run.ended, "SIGKILL");
      assert.deepEqual(await run.leftoversOfKernel(), []);
    });
  }

  test("SIGTERM ends it with a code of its own", async () => {
    await using run = await DemoRun.start();
    await run.line(/^ 3 {2}/);
    await run.signal("SIGTERM");
    assert.equal(await run.ended, 143);
    assert.deepEqual(await run.leftovers(), []);
  });

  test("--keep leaves the pod running until Ctrl-C, and tells how to reach it", async () => {
    await using run = await DemoRun.start("--keep", "look");
    await run.line(/answered by your server/);
    const url = /curl (http:\S+)/.exec(run.stdout.join("\n"))?.[1] ?? "";
    const answer = await fetch(url);
    assert.deepEqual([answer.status, answer.headers.get("x-answered-by")], [200, "the shop"]);
    await answer.arrayBuffer();
    await run.signal("SIGINT");
    assert.equal(await run.ended, 0, run.stderr.join("\n"));
    assert.deepEqual(await run.leftovers(), []);
  });

  test("without root it says so and makes nothing", async () => {
    // May read everything, so that the place of the sources does not matter.
    const mayRead = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];
    const user = ["--reuid=65534", "--regid=65534", "--clear-groups", ...mayRead];
    const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
    const child = spawn("setpriv", [...user, process.execPath, "--conditions=source", main, "demo"]);
    const { code, stdout, stderr } = await finished(child);
    assert.deepEqual([code, stdout], [1, ""]);
    // Where the sources lie below a folder of root's alone, the agent beside them is said to be missing, too.
    assert.match(stderr, /^understudy: the demo needs root, .*sudo.*\n/);
  });
});

/** The names in the headings. */
function shownSteps(run: DemoRun): readonly string[] {
  return run.stdout.flatMap((line) => /^ *\d+ {2}.* {2}\[(\w+)\]$/.exec(line)?.[1] ?? []);
}
