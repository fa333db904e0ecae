import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Fields } from "./log.ts";
import { formatTimestamp, systemClock } from "./clock.ts";
import { chooseFormat, formatJson, type LogRecord, textFormat } from "./format.ts";

const plain = textFormat({ isColored: false });

function recordWith(fields: Fields): LogRecord {
  const timeMicros = Date.UTC(2026, 0, 31, 23, 59, 59, 999) * 1000 + 1;
  return { timeMicros, level: "debug", target: "agent::files", message: "file opened", fields };
}

test("a text record is one line: time, level, module, sentence, fields", () => {
  const line = plain(recordWith({ path: "/etc/hosts", name: "a b", size: 12, big: 2n ** 60n, ok: true, none: undefined }));
  assert.equal(
    line,
    '2026-01-31T23:59:59.999001Z DEBUG agent::files file opened path=/etc/hosts name="a b" size=12 big=1152921504606846976 ok=true\n',
  );
});

test("colour is used only when it was asked for", () => {
  assert.ok(!plain(recordWith({})).includes("\u001b"));
  assert.ok(textFormat({ isColored: true })(recordWith({})).includes("\u001b[34mDEBUG\u001b[0m"));
});

test("colour is for terminals, unless the user refuses it", () => {
  const isColored = (isTerminal: boolean, env: NodeJS.ProcessEnv): boolean =>
    chooseFormat({ isJson: false, isTerminal, env })(recordWith({})).includes("\u001b");
  assert.equal(isColored(true, {}), true);
  assert.equal(isColored(true, { NO_COLOR: "1" }), false);
  assert.equal(isColored(false, {}), false);
  assert.equal(chooseFormat({ isJson: true, isTerminal: true, env: {} }), formatJson);
});

test("a JSON record holds its fields as they are", () => {
  const record = JSON.parse(formatJson(recordWith({ path: "/a\nb", size: 12, ok: false, rate: Number.NaN }))) as unknown;
  assert.deepEqual(record, {
    timestamp: "2026-01-31T23:59:59.999001Z",
    level: "DEBUG",
    fields: { message: "file opened", path: "/a\nb", size: 12, ok: false, rate: "NaN" },
    target: "agent::files",
  });
});

test("no field can start a line, steer a terminal or stand in for another", () => {
  const unsafe = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\n", "\u001b[2J", "\u202e", "\u2028", "\u0085", 'x" code="Y'));
  fc.assert(
    fc.property(fc.dictionary(text, text), (fields) => {
      for (const format of [plain, formatJson]) {
        const line = format(recordWith(fields));
        assert.equal(line.indexOf("\n"), line.length - 1);
        assert.doesNotMatch(line.slice(0, -1), unsafe);
      }
    }),
  );
  assert.equal(plain(recordWith({ message: "forged", code: "FORGED", remedy: "forged" })).includes("forged"), false);
});

test("no record looks like the line that clients wait for", () => {
  for (const format of [plain, formatJson]) {
    const record = { ...recordWith({ path: "agent ready - version 9.9.9" }), message: "agent ready" };
    assert.doesNotMatch(format(record), /agent ready/);
  }
});

test("a long field is cut, and many fields are left out", () => {
  const line = plain(recordWith({ text: "x".repeat(100_000) }));
  assert.ok(line.length < 3000);
  assert.match(line, /\(97952 more\)"\n$/);
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`f${i}`, i]));
  assert.ok(plain(recordWith(many)).length < 1000);
});

test("the system's clock tells microseconds and follows the wall clock", () => {
  const clock = systemClock();
  assert.ok(Math.abs(clock.nowMicros() / 1000 - Date.now()) < 1000);
  assert.match(formatTimestamp(clock.nowMicros()), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.equal(formatTimestamp(5), "1970-01-01T00:00:00.000005Z");
});
