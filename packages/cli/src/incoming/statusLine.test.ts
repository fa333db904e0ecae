// The line about what takes long: when it is there, what it says, and that it makes room for others.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Output } from "../output.ts";
import { amount, StatusLine } from "./statusLine.ts";
import { Transfer } from "./transfer.ts";

test("long streams are shown with their rates every second, and the line makes room for others", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const written: string[] = [];
  const output = { writeError: (text: string) => written.push(text) } as unknown as Output;
  const open = new Set<Transfer>();
  using line = new StatusLine(open, output, true);
  const upload = new Transfer("POST   /upload", () => undefined);
  open.add(upload);
  const tick = (): string => {
    now += 1_000;
    t.mock.timers.tick(1_000);
    return written.splice(0).join("");
  };
  upload.received(1024);
  assert.equal(tick(), "");
  assert.match(tick(), /1 open: POST {3}\/upload 2 s 1\.0 KiB 1\.0 KiB\/s$/);
  upload.sent(3 * 1024 * 1024);
  assert.match(tick(), /3 s 3\.0 MiB 3\.0 MiB\/s$/);
  line.clear();
  line.clear();
  assert.deepEqual(written.splice(0), ["\r\u001b[K"]);
  open.delete(upload);
  assert.equal(tick(), "");
});

test("amounts have a unit that fits", () => {
  assert.deepEqual([0, 1023, 1024, 1_572_864, 2 ** 50].map(amount), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "1024.0 TiB"]);
});
