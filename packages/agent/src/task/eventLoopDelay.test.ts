// With a real loop that really stands still. A process that was stopped from outside is the fixture's matter.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Fields, Log } from "../log/log.ts";
import type { CpuLimit } from "./cpuLimit.ts";
import { CurrentWork } from "./currentWork.ts";
import { watchEventLoopDelay } from "./eventLoopDelay.ts";

const stallMs = 200;

class Watched implements Disposable {
  readonly events: [code: string, fields: Fields | undefined][] = [];
  readonly work = new CurrentWork();
  readonly delays: number[] = [];
  readonly stalls: string[] = [];
  longestSeconds = 0;
  readonly #watch: Disposable;

  constructor(cpuLimit: CpuLimit = { look: () => Promise.resolve(0) }) {
    const log: Log = {
      isDebug: false,
      isTrace: false,
      trace: () => undefined,
      debug: () => undefined,
      event: (code, fields) => void this.events.push([code, fields]),
      child: () => log,
    };
    this.#watch = watchEventLoopDelay({
      log,
      work: this.work,
      cpuLimit,
      delaySeconds: { set: (seconds) => void (this.longestSeconds = seconds) },
      delays: { observe: (seconds) => void this.delays.push(seconds) },
      stalls: { with: (cause) => ({ add: () => void this.stalls.push(cause) }) },
      stallMs,
    });
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}

/** By time of the processor: others may need it, too. */
function block(ms: number): void {
  const usedMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const until = usedMs() + ms;
  while (usedMs() < until);
}

/** Without using the processor. */
function waitSynchronously(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

suite("a loop that stands still", () => {
  test("is reported once, with the work that ran and not with what came before or after it", async () => {
    using watched = new Watched();
    const { work, events, stalls } = watched;
    await rest(150);
    work.begin("before");
    work.begin("the culprit");
    block(600);
    work.begin("after");
    await rest(500);
    assert.deepEqual(
      events.map(([code, fields]) => [code, fields?.["work"]]),
      [["EVENT_LOOP_STALLED", "the culprit"]],
    );
    const { delayMs, cpuMs } = events[0]?.[1] ?? {};
    assert.ok(Number(delayMs) >= 400 && Number(cpuMs) >= 300, `${delayMs} ms, ${cpuMs} ms of the processor`);
    assert.deepEqual(stalls, ["own_work"]);
    assert.ok(watched.longestSeconds >= 0.4);
  });

  test("says that there was no single culprit where many things ran", async () => {
    using watched = new Watched();
    await rest(150);
    for (let i = 0; i < 12; i++) {
      watched.work.begin(`work ${i}`);
      block(50);
    }
    await rest(150);
    assert.deepEqual(
      watched.events.map(([code, fields]) => [code, fields?.["work"]]),
      [["EVENT_LOOP_STALLED", "many things"]],
    );
  });

  test("is not reported while it is only busy", async () => {
    using watched = new Watched();
    for (let i = 0; i < 12; i++) {
      watched.work.begin("a little");
      block(50);
      await rest(0);
    }
    assert.deepEqual(watched.events, []);
    assert.ok(watched.delays.length > 2);
  });

  test("is no fault of the agent's where its thread did not run; the admin hears of its CPU limit alone", async () => {
    for (const [throttledMs, codes] of [
      [0, []],
      [500, ["CPU_LIMIT_REACHED"]],
    ] as const) {
      using watched = new Watched({ look: () => Promise.resolve(throttledMs) });
      await rest(150);
      watched.work.begin("innocent");
      waitSynchronously(600);
      await rest(150);
      assert.deepEqual(
        watched.events.map(([code]) => code),
        codes,
      );
      assert.deepEqual(watched.stalls, ["not_running"]);
    }
  });

  test("is not reported by a process that was stopped and goes on", async () => {
    const fixture = fileURLToPath(new URL("stoppedFixture.ts", import.meta.url));
    const child = spawn(process.execPath, ["--conditions=source", fixture], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "running");
    child.kill("SIGSTOP");
    await rest(800);
    child.kill("SIGCONT");
    child.stdin.end();
    assert.deepEqual(JSON.parse(String((await lines.next()).value)), { events: [], stalls: ["not_running"] });
    await once(child, "exit");
  });
});
