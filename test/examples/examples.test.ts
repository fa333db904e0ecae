// The examples do what they say, beside a real target.

import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4, podSkipReason } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";

const service = `http://${podIpv4}:${targetPorts.http}`;

/** An example that runs, and what it has printed. */
class Example implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, ...args: readonly string[]) {
    const file = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
    this.#child = spawn(process.execPath, ["--conditions=source", file, ...args]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const next = await this.#lines.next();
    assert.ok(next.done !== true, "the example has ended");
    return next.value;
  }

  async lineStarting(start: string): Promise<string> {
    for (;;) {
      const line = await this.line();
      if (line.startsWith(start)) return line;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
  }
}

suite("examples", { skip: podSkipReason() }, () => {
  test("the webhook debugger shows and answers what matches, and nothing else", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using example = new Example("webhookDebugger.ts", `${podIpv4}:${agent.address.port}`, String(targetPorts.http), "^/hooks/");
    await example.lineStarting("waiting");
    const posted = await fetch(`${service}/hooks/payment`, { method: "POST", body: '{"paid":true}', headers: { "x-event": "payment" } });
    assert.deepEqual([posted.status, await posted.json()], [202, { received: true }]);
    assert.equal(await example.line(), "POST /hooks/payment");
    assert.equal(await example.lineStarting("  x-event"), "  x-event: payment");
    assert.equal(await example.lineStarting("  {"), '  {"paid":true}');
    assert.equal(((await (await fetch(`${service}/other`)).json()) as { by: string }).by, "target");
  });

  test("the request diff tells where another version answers differently", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    // The test's own side has no loopback: another server of the target stands for the local one.
    const local = `http://${podIpv4}:${targetPorts.otherHttp}`;
    await using example = new Example("requestDiff.ts", `${podIpv4}:${agent.address.port}`, String(targetPorts.http), local);
    await example.lineStarting("comparing");
    await (await fetch(`${service}/page?x=1`)).text();
    assert.equal(await example.line(), "different GET /page?x=1");
    assert.match(await example.line(), /^  service 200 \{"by":"target"/);
    assert.equal(await example.line(), '  local   200 {"by":"target"}');
  });

  test("the test of a service passes", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    const file = fileURLToPath(new URL("../../examples/service.test.ts", import.meta.url));
    // A runner inside a runner's process would report to that one.
    const { NODE_TEST_CONTEXT: _outer, ...own } = process.env;
    const env = { ...own, AGENT: `${podIpv4}:${agent.address.port}`, SERVICE: service };
    const child = spawn(process.execPath, ["--conditions=source", "--test", file], { env, stdio: ["ignore", "pipe", "inherit"] });
    const printed: string[] = [];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => printed.push(chunk));
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0, printed.join(""));
    assert.match(printed.join(""), /pass 1\n/);
  });
});
