import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fields, Log } from "../log/log.ts";
import { watchEventLoopDelay } from "./eventLoopDelay.ts";

function recordingLog(): { log: Log; events: [string, Fields | undefined][] } {
  const events: [string, Fields | undefined][] = [];
  const log: Log = {
    isDebug: false,
    isTrace: false,
    trace: () => undefined,
    debug: () => undefined,
    event: (code, fields) => void events.push([code, fields]),
    child: () => log,
  };
  return { log, events };
}

test("a loop that stands still is reported to the admin, a busy one only measured", (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const { log, events } = recordingLog();
  let nowMs = 0;
  let seconds = 0;
  let stalls = 0;
  using _watch = watchEventLoopDelay({
    log,
    delaySeconds: { set: (n) => void (seconds = n) },
    stalls: { add: (n = 1) => void (stalls += n) },
    sampleMs: 100,
    stallMs: 1000,
    reportMs: 10_000,
    nowMs: () => nowMs,
  });
  const turn = (ms: number): void => {
    nowMs += ms;
    context.mock.timers.tick(100);
  };

  turn(100);
  assert.equal(seconds, 0);
  turn(400);
  assert.equal(seconds, 0.3);
  assert.equal(stalls, 0);
  turn(1600);
  assert.equal(seconds, 1.5);
  assert.equal(stalls, 1);
  assert.deepEqual(events, [["EVENT_LOOP_STALLED", { delayMs: 1500 }]]);
  // The longest delay is kept until its interval has passed.
  turn(100);
  assert.equal(seconds, 1.5);
  for (let i = 0; i < 100; i++) turn(100);
  assert.equal(seconds, 0);
});
