import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { HeldProcess } from "./heldProcess.ts";
import { watchProcessExit } from "./processExit.ts";

/** A process that is held, and a way to its end. */
async function startHeld(): Promise<Disposable & { readonly held: HeldProcess; readonly end: () => Promise<unknown> }> {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const held = new HeldProcess(child.pid ?? 0);
  const exited = once(child, "exit");
  const end = (): Promise<unknown> => {
    child.kill("SIGKILL");
    return exited;
  };
  return { held, end, [Symbol.dispose]: () => (void end(), held[Symbol.dispose]()) };
}

test("the end of a process is told once, also when it came before the watch", async () => {
  using process = await startHeld();
  const calls: string[] = [];
  const told = Promise.withResolvers<void>();
  using _early = watchProcessExit(process.held, () => (calls.push("early"), told.resolve()));
  await process.end();
  await told.promise;
  const toldLate = Promise.withResolvers<void>();
  using _late = watchProcessExit(process.held, () => (calls.push("late"), toldLate.resolve()));
  await toldLate.promise;
  assert.deepEqual(calls, ["early", "late"]);
});

test("without a pidfd, as before Linux 5.3, it is told as well", async () => {
  using process = await startHeld();
  const { held } = process;
  // All that is different there.
  const older = Object.create(held, { pidfd: { value: null }, isThere: { get: () => held.isThere } }) as HeldProcess;
  const told = Promise.withResolvers<void>();
  using _watch = watchProcessExit(older, told.resolve);
  await process.end();
  await told.promise;
});

test("nothing is told once the watch is disposed of", async () => {
  using process = await startHeld();
  const watch = watchProcessExit(process.held, () => assert.fail("told"));
  watch[Symbol.dispose]();
  const told = Promise.withResolvers<void>();
  using _other = watchProcessExit(process.held, told.resolve);
  await process.end();
  await told.promise;
});
