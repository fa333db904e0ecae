import assert from "node:assert/strict";
import { test } from "node:test";
import { type AdminEvent, adminEvents } from "./events.ts";

/** What happens once in an agent's life, or once for a thing that only its admin decides on. Nothing that a peer or a client does can bring one about again and again. */
const notCausedByPeers = [
  "TARGET_FOUND",
  "SERVING",
  "STOPPING",
  "NO_CLIENT_CAME",
  "OPERATOR_CERTIFICATE_UNUSABLE",
  "SETTING_INVALID",
  "LISTEN_FAILED",
  "LISTEN_IPV6_UNAVAILABLE",
  "METRICS_LISTEN_FAILED",
  "TARGET_NOT_FOUND",
  "TARGET_ENDED",
  "RIGHT_MISSING",
  "TARGET_GUESSED",
  // Said when the first port is redirected, and by an agent that cannot redirect not at all.
  "REDIRECT_WITH_IPTABLES",
  "REDIRECT_RULES_STAY",
  "LEFTOVER_RULES",
  "LEFTOVER_RULES_REMOVED",
];

test("every event that somebody else than the admin can cause again and again is limited in rate", () => {
  const entries: [string, AdminEvent][] = Object.entries(adminEvents);
  const unlimited = entries.filter(([, { isLimited }]) => isLimited !== true).map(([code]) => code);
  assert.deepEqual(unlimited, notCausedByPeers);
});

test("every event has a sentence to count by, and every warning and error says what to do", () => {
  for (const [code, { level, message, remedy }] of Object.entries(adminEvents)) {
    assert.match(code, /^[A-Z]+(_[A-Z0-9]+)*$/);
    assert.match(message, /^[a-zA-Z].*[^.]$/, code);
    assert.match(remedy, /\.$/, code);
    if (level !== "info") assert.notEqual(remedy, "Nothing needs to be done.", code);
  }
});
