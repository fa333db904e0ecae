// Run by the test of `eventLoopDelay.ts`: watches its own loop, and tells what was seen a moment after its standard input has ended.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../log/log.ts";
import { watchCpuLimit } from "./cpuLimit.ts";
import { CurrentWork } from "./currentWork.ts";
import { watchEventLoopDelay } from "./eventLoopDelay.ts";

const events: string[] = [];
const log: Log = {
  isDebug: false,
  isTrace: false,
  trace: () => undefined,
  debug: () => undefined,
  event: (code) => void events.push(code),
  child: () => log,
};
const stalls: string[] = [];
const cpuLimit = watchCpuLimit();
await cpuLimit.look();
using _watch = watchEventLoopDelay({
  log,
  work: new CurrentWork(),
  cpuLimit,
  delaySeconds: { set: () => undefined },
  delays: { observe: () => undefined },
  stalls: { with: (cause) => ({ add: () => void stalls.push(cause) }) },
  stallMs: 200,
});
await sleep(300);
process.stdout.write("running\n");
await once(process.stdin.resume(), "end");
await sleep(300);
process.stdout.write(`${JSON.stringify({ events, stalls })}\n`);
