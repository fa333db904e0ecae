import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const compiler = JSON.stringify(new URL("compiler.ts", import.meta.url).href);

async function outputOf(program: string, ...args: string[]): Promise<unknown> {
  const { stdout, stderr } = await run(process.execPath, ["--allow-natives-syntax", "--input-type=module", "-e", program, ...args]);
  assert.equal(stderr, "", "V8 knows all its flags");
  return JSON.parse(stdout);
}

test("what is called often is optimised in full after far fewer calls, and in one step", async () => {
  // A few calls every millisecond, which the compiler needs for its work, until it has made the function's code.
  const program = `
    import { tuneCompiler } from ${compiler};
    if (process.argv[1] === "early") await tuneCompiler();
    const work = (values) => { let sum = 0; for (const value of values) sum += value * 2; return sum; };
    const values = [1, 2, 3];
    const [MAGLEV, TURBOFAN] = [1 << 5, 1 << 6];
    let calls = 0, usedMaglev = false;
    for (let status = 0; (status & TURBOFAN) === 0 && calls < 100_000; status = %GetOptimizationStatus(work)) {
      for (let i = 0; i < 10; i++, calls++) work(values);
      await new Promise((resolve) => setTimeout(resolve, 1));
      usedMaglev ||= (status & MAGLEV) !== 0;
    }
    console.log(JSON.stringify({ calls, usedMaglev }));
  `;
  type Outcome = { calls: number; usedMaglev: boolean };
  const usual = (await outputOf(program, "usual")) as Outcome;
  const early = (await outputOf(program, "early")) as Outcome;
  assert.ok(early.calls < usual.calls / 2, `${early.calls} calls, and ${usual.calls} otherwise`);
  assert.deepEqual([usual.usedMaglev, early.usedMaglev], [true, false]);
});

test("the threads that compile have a lower priority than all others", async () => {
  // The 19th field of a thread's state, the 17th behind its name, is how nice it is: proc_pid_stat(5).
  const program = `
    import { readdirSync, readFileSync } from "node:fs";
    import { tuneCompiler } from ${compiler};
    await tuneCompiler();
    const threads = readdirSync("/proc/self/task").map((id) => readFileSync("/proc/self/task/" + id + "/stat", "latin1"));
    const nice = threads.map((stat) => [stat.split("(")[1].split(")")[0], Number(stat.split(") ")[1].split(" ")[16])]);
    const of = (isCompiler) => [...new Set(nice.filter(([name]) => (name === "V8Worker") === isCompiler).map(([, nice]) => nice))];
    console.log(JSON.stringify({ compilers: of(true), others: of(false) }));
  `;
  assert.deepEqual(await outputOf(program), { compilers: [5], others: [0] });
});
