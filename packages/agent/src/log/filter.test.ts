import assert from "node:assert/strict";
import { test } from "node:test";
import { levelFor, parseLogFilter } from "./filter.ts";

function levelOf(directives: string, target: string): string {
  return levelFor(parseLogFilter(directives).filter, target);
}

test("a bare level is for all modules, the last one counts", () => {
  assert.equal(levelOf("info", "agent::dns"), "info");
  assert.equal(levelOf("info,DEBUG", "agent"), "debug");
  assert.equal(levelOf("off", "agent"), "off");
  assert.equal(levelOf("4", "agent"), "debug");
  assert.equal(levelOf("", "agent"), "error");
});

test("the longest name that fits decides, and names fit at :: only", () => {
  const directives = "warn, agent=info ,agent::dns=trace,agent::dns::tcp=off";
  assert.equal(levelOf(directives, "agent"), "info");
  assert.equal(levelOf(directives, "agent::dns"), "trace");
  assert.equal(levelOf(directives, "agent::dns::udp"), "trace");
  assert.equal(levelOf(directives, "agent::dns::tcp"), "off");
  assert.equal(levelOf(directives, "agent::dnsx"), "info");
  assert.equal(levelOf(directives, "agents"), "warn");
});

test("names that users of the reference know mean our modules", () => {
  assert.equal(levelOf("mirrord=debug", "agent::dns"), "debug");
  assert.equal(levelOf("mirrord_agent::dns=trace", "agent::dns"), "trace");
  assert.equal(levelOf("mirrord_agent", "agent::files"), "trace");
});

test("what cannot be read is left out and named; the rest counts", () => {
  const { filter, invalid } = parseLogFilter("info,debgu,agent=loud,[span{x=1}]=debug,=,h2=off,agent::dns=debug,");
  assert.deepEqual(invalid, ["debgu", "agent=loud", "[span{x=1}]=debug", "="]);
  assert.equal(levelFor(filter, "agent::dns"), "debug");
  assert.equal(levelFor(filter, "agent"), "info");
});

test("the number of directives is bounded", () => {
  const many = Array.from({ length: 1000 }, (_, i) => `m${i}=debug`).join(",");
  const { filter, invalid } = parseLogFilter(many);
  assert.equal(filter.byTarget.length, 64);
  assert.equal(invalid.length, 936);
});
