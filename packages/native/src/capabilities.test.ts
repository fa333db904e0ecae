import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** In a process of its own, since there is no way back. */
const program = `
  const { capabilities, dropCapabilities, hasCapability } = await import(process.argv[1]);
  const { execFileSync } = await import("node:child_process");
  const { readFileSync } = await import("node:fs");
  const held = (text) => BigInt("0x" + /CapEff:\\s*(\\w+)/.exec(text)[1]);
  const has = (set, name) => (set >> BigInt(capabilities[name]) & 1n) === 1n;
  const before = Object.keys(capabilities).filter(hasCapability);
  dropCapabilities(["SYS_ADMIN", "BPF"]);
  const own = readFileSync("/proc/thread-self/status", "utf8");
  const child = execFileSync("cat", ["/proc/self/status"], { encoding: "utf8" });
  const names = Object.keys(capabilities);
  console.log(JSON.stringify([before, ...[own, child].map((text) => names.filter((name) => has(held(text), name))), names.filter(hasCapability)]));
`;

const skip = process.getuid?.() !== 0 && process.env["CI"] === undefined ? "needs root" : false;

test("rights that are given up are gone, also for programs started later, and the others stay", { skip }, async () => {
  const module = fileURLToPath(new URL("capabilities.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=source", "--input-type=module", "--eval", program, module]);
  const [before, own, child, told] = JSON.parse(stdout) as string[][];
  const left = before?.filter((name) => name !== "SYS_ADMIN" && name !== "BPF");
  assert.ok(before?.includes("NET_ADMIN"));
  assert.deepEqual(own, left);
  assert.deepEqual(child, left);
  assert.deepEqual(told, left);
});
