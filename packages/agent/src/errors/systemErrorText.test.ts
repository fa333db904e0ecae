import assert from "node:assert/strict";
import { test } from "node:test";
import { systemErrorText } from "./systemErrorText.ts";

test("a failed system call reads as its sentence and number, anything else as its message", () => {
  assert.equal(systemErrorText(Object.assign(new Error("read ECONNRESET"), { errno: -104 })), "Connection reset by peer (os error 104)");
  assert.equal(systemErrorText(Object.assign(new Error("send EMSGSIZE"), { errno: 90 })), "Message too long (os error 90)");
  assert.equal(systemErrorText(new Error("timed out")), "timed out");
});
