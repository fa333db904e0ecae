import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Calls a function, a few times in each turn of the event loop, until V8's full compiler has made its code. Prints how many calls that took, and whether the compiler before it was used. */
const program = `
  import { compileEarly } from ${JSON.stringify(new URL("compileEarly.ts", import.meta.url).href)};
  if (process.argv[1] === "early") await compileEarly();
  const work = (values) => { let sum = 0; for (const value of values) sum += value * 2; return sum; };
  const values = [1, 2, 3];
  const [MAGLEV, TURBOFAN] = [1 << 5, 1 << 6];
  let calls = 0, usedMaglev = false;
  for (let status = 0; (status & TURBOFAN) === 0 && calls < 100_000; status = %GetOptimizationStatus(work)) {
    for (let i = 0; i < 10; i++, calls++) work(values);
    await new Promise((resolve) => setImmediate(resolve));
    usedMaglev ||= (status & MAGLEV) !== 0;
  }
  console.log(JSON.stringify({ calls, usedMaglev }));
`;

async function callsUntilOptimised(mode: "early" | "usual"): Promise<{ calls: number; usedMaglev: boolean }> {
  const { stdout, stderr } = await run(process.execPath, ["--allow-natives-syntax", "--input-type=module", "-e", program, mode]);
  assert.equal(stderr, "", "V8 knows all its flags");
  return JSON.parse(stdout) as { calls: number; usedMaglev: boolean };
}

test("what is called often is optimised in full after far fewer calls, and in one step", async () => {
  const [usual, early] = await Promise.all([callsUntilOptimised("usual"), callsUntilOptimised("early")]);
  assert.ok(early.calls < usual.calls / 2, `${early.calls} calls, and ${usual.calls} otherwise`);
  assert.deepEqual([usual.usedMaglev, early.usedMaglev], [true, false]);
});
