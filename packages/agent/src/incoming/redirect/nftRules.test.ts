import assert from "node:assert/strict";
import { test } from "node:test";
import { portCommands, tableCommands } from "./nftRules.ts";

test("a family without a listener has no redirect, but the agent's own connections stay protected in both", () => {
  const text = tableCommands({ table: "t", ownGroup: 5, listeners: { ipv4: 4000, ipv6: null } });
  assert.equal(text.filter((command) => command.includes("redirect to")).length, 2);
  assert.ok(text.every((command) => !command.includes("nfproto ipv6 tcp dport")));
  assert.equal(text.filter((command) => command.includes("meta skgid 5 ")).length, 2);
  assert.equal(text[0], "create table inet t { flags owner; }");
});

test("ports are elements of one command, and none make none", () => {
  assert.deepEqual(portCommands("t", "add", [80, 81]), ["add element inet t ports { 80, 81 }"]);
  assert.deepEqual(portCommands("t", "delete", []), []);
});
