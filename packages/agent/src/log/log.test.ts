import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { adminEvents, type AdminEvent } from "./events.ts";
import { parseLogFilter } from "./filter.ts";
import { formatJson } from "./format.ts";
import { createLog, type Log, type RootLog } from "./log.ts";
import { ManualClock, MemorySink } from "./memorySinkFixture.ts";

interface Kit extends Disposable {
  readonly log: RootLog;
  readonly sink: MemorySink;
  readonly clock: ManualClock;
  readonly records: () => LoggedRecord[];
}

interface LoggedRecord {
  timestamp: string;
  level: string;
  target: string;
  fields: Record<string, unknown>;
}

function kit(directives: string): Kit {
  const sink = new MemorySink();
  const clock = new ManualClock();
  const log = createLog({ filter: parseLogFilter(directives).filter, format: formatJson, sink, clock });
  return {
    log,
    sink,
    clock,
    records: () => sink.lines.map((line) => JSON.parse(line) as LoggedRecord),
    [Symbol.dispose]: () => log[Symbol.dispose](),
  };
}

suite("the two vocabularies of the log", () => {
  test("nothing but a known event can be written at info or above", () => {
    using used = kit("off");
    const log: Log = used.log;
    log.event("SERVING", { port: 61337 });
    // @ts-expect-error a sentence is no event
    const sentence = (): void => log.event("client connected");
    // @ts-expect-error there is no way to choose a level above debug
    const info: keyof Log = "info";
    // @ts-expect-error nor this one
    const warn: keyof Log = "warn";
    // @ts-expect-error nor this one
    const error: keyof Log = "error";
    assert.equal(typeof sentence, "function");
    for (const name of [info, warn, error]) assert.ok(!(name in log), name);
  });

  test("every event has a sentence and a remedy, and none looks like the readiness line", () => {
    for (const [code, event] of Object.entries<AdminEvent>(adminEvents)) {
      assert.match(code, /^[A-Z][A-Z0-9_]+$/);
      assert.ok(event.message.length > 10, code);
      assert.match(event.remedy, /^[A-Z].*\.$/, code);
      assert.ok(!event.message.includes("agent ready"), code);
    }
  });

  test("debug and trace are details, events are not", () => {
    using used = kit("trace");
    used.log.trace("one");
    used.log.debug("two");
    used.log.event("SERVING");
    assert.deepEqual(used.sink.importances, ["detail", "detail", "event"]);
  });
});

suite("what is written", () => {
  test("an event carries its code, level, sentence and, from warn on, its remedy", () => {
    using used = kit("info");
    used.log.event("SERVING", { port: 1 });
    used.log.child("agent::link").event("LISTEN_FAILED", { port: 2 });
    const [serving, failed] = used.records();
    assert.deepEqual(serving, {
      timestamp: "2026-01-02T03:04:05.006007Z",
      level: "INFO",
      fields: { message: adminEvents.SERVING.message, code: "SERVING", port: 1 },
      target: "agent",
    });
    assert.equal(failed?.level, "ERROR");
    assert.equal(failed.target, "agent::link");
    assert.equal(failed.fields["remedy"], adminEvents.LISTEN_FAILED.remedy);
  });

  test("without directives only errors are written", () => {
    using used = kit("");
    used.log.event("SERVING");
    used.log.event("FLUSH_FAILED");
    used.log.event("LISTEN_FAILED");
    used.log.debug("detail");
    assert.deepEqual(
      used.records().map((record) => record.level),
      ["ERROR"],
    );
  });

  test("a module has its own level, and says so before fields are built", () => {
    using used = kit("info,agent::dns=trace");
    assert.equal(used.log.isDebug, false);
    const dns = used.log.child("agent::dns::tcp");
    assert.equal(dns.isDebug, true);
    assert.equal(dns.isTrace, true);
    dns.trace("query sent");
    used.log.child("agent::files").debug("file opened");
    assert.deepEqual(
      used.records().map((record) => record.fields["message"]),
      ["query sent"],
    );
  });

  test("lost lines become one event for the admin when lines are taken again", () => {
    using used = kit("warn");
    used.sink.onDropped?.(17);
    assert.equal(used.records()[0]?.fields["code"], "LOG_LINES_DROPPED");
    assert.equal(used.records()[0]?.fields["lines"], 17);
  });
});

suite("events that peers can cause again and again", () => {
  test("the first is written at once, the others once a minute with their number", () => {
    using used = kit("info");
    for (let i = 0; i < 1000; i++) used.log.event("MALFORMED_MESSAGE", { client: i });
    assert.equal(used.sink.lines.length, 1);
    used.clock.advance(59_999);
    assert.equal(used.sink.lines.length, 1);
    used.clock.advance(1);
    assert.equal(used.sink.lines.length, 2);
    const [first, second] = used.records();
    assert.equal(first?.fields["client"], 0);
    assert.equal(first.fields["count"], undefined);
    assert.equal(second?.fields["client"], 999);
    assert.equal(second.fields["count"], 999);
  });

  test("after a minute without any the next is written at once", () => {
    using used = kit("info");
    used.log.event("PASSTHROUGH_FAILED");
    used.clock.advance(60_000);
    assert.equal(used.clock.timersCount, 0);
    used.log.event("PASSTHROUGH_FAILED");
    assert.equal(used.sink.lines.length, 2);
  });

  test("codes are limited apart from each other, and others not at all", () => {
    using used = kit("info");
    for (let i = 0; i < 3; i++) {
      used.log.event("MALFORMED_MESSAGE");
      used.log.event("INCOMING_HTTP_BROKEN");
      used.log.event("SETTING_INVALID");
    }
    assert.equal(used.sink.lines.length, 1 + 1 + 3);
  });

  test("closing the log writes what is still only counted, once", () => {
    const used = kit("info");
    for (let i = 0; i < 5; i++) used.log.event("MALFORMED_MESSAGE");
    used.log[Symbol.dispose]();
    used.log[Symbol.dispose]();
    assert.deepEqual(
      used.records().map((record) => record.fields["count"]),
      [undefined, 4],
    );
    assert.equal(used.clock.timersCount, 0);
  });

  test("an event below the level costs no timer", () => {
    using used = kit("off");
    used.log.event("MALFORMED_MESSAGE");
    assert.equal(used.clock.timersCount, 0);
  });
});
