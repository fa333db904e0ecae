import assert from "node:assert/strict";
import { test } from "node:test";
import { planForIstioCni, planWithoutMesh, type FamilyPlan } from "./meshPlan.ts";
import { portCommands, tableCommands } from "./nftRules.ts";

const listeners = { ipv4: 4000, ipv6: 6000 };
const own = { group: 5, podIps: [] };

const bothFamilies = (plan: FamilyPlan) => ({ ipv4: plan, ipv6: plan });

test("a family without a listener has no redirect, but the agent's own connections stay protected in both", () => {
  const text = tableCommands({ table: "t", own, listeners: { ipv4: 4000, ipv6: null }, plans: bothFamilies(planWithoutMesh) });
  assert.equal(text.filter((command) => command.includes("redirect to")).length, 2);
  assert.ok(text.every((command) => !command.includes("nfproto ipv6 tcp flags")));
  assert.equal(text.filter((command) => command.includes("meta skgid 5 ")).length, 2);
  assert.equal(text[0], "create table inet t { flags owner; }");
});

test("all addresses of the pod are one set of their family, and own connections from them need the mark", () => {
  const podIps = ["10.0.0.2", "10.0.0.3", "fd00::2"];
  const text = tableCommands({ table: "t", own: { group: 5, podIps }, listeners, plans: bothFamilies(planWithoutMesh) });
  assert.ok(text.includes("add set inet t pod_ipv4 { type ipv4_addr; elements = { 10.0.0.2, 10.0.0.3 }; }"));
  assert.ok(text.includes("add set inet t pod_ipv6 { type ipv6_addr; elements = { fd00::2 }; }"));
  const rules = text.filter((command) => command.startsWith("add rule inet t own "));
  assert.deepEqual(
    rules.map((rule) => /(ip6? saddr != @\S+|mark & 8192 == 8192)/.exec(rule)?.[0]),
    ["ip saddr != @pod_ipv4", "mark & 8192 == 8192", "ip6 saddr != @pod_ipv6", "mark & 8192 == 8192"],
  );
});

test("with Istio's CNI plug-in nothing is taken from outside", () => {
  const text = tableCommands({ table: "t", own, listeners, plans: bothFamilies(planForIstioCni) });
  const redirects = text.filter((command) => command.includes("redirect to"));
  assert.equal(redirects.length, 2);
  assert.ok(redirects.every((rule) => rule.includes(" output oif")));
});

test("ports are elements of one command, and none make none", () => {
  assert.deepEqual(portCommands("t", "add", [80, 81]), ["add element inet t ports { 80, 81 }"]);
  assert.deepEqual(portCommands("t", "delete", []), []);
});
