// Clients' jq programs in real children: verdicts, order, hostile programs, limits, disposal.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FilterError } from "../filterError.ts";
import type { JqProgram } from "./jqEngine.ts";
import { skipWithoutJq, testEngine } from "./jqFixture.ts";
import { ResidentProgram } from "./residentProgram.ts";

const skip = await skipWithoutJq();
const unexpected = (text: string): void => assert.fail(text);
const user = ["host: example.org", "x-user: me", "accept: */*"];

function childPid(program: JqProgram): number {
  assert.ok(program instanceof ResidentProgram && program.childPid !== undefined);
  return program.childPid;
}

async function isGone(pid: number): Promise<void> {
  for (let i = 0; i < 500; i++) {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
    if (stat === "" || stat.includes(") Z ")) return;
    await sleep(10); // nothing tells the end of a process that is not our child
  }
  assert.fail(`process ${pid} is still there`);
}

/** Descriptors that whoever started the tests left open for everybody. */
async function startedWith(): Promise<Set<string>> {
  const given = new Set<string>();
  for (const fd of await readdir("/proc/self/fdinfo")) {
    const flags = /^flags:\t(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${fd}`, "latin1").catch(() => ""))?.[1];
    if (Number(fd) > 2 && flags !== undefined && (Number.parseInt(flags, 8) & 0o2000000) === 0) given.add(fd);
  }
  return given;
}

suite("verdicts", { skip }, () => {
  test("a request matches when the first boolean of one of its texts is true", async () => {
    await using jq = testEngine();
    using program = await jq.compile('1, "true", (test("^x-user: me$"), true | if . then true else false end)');
    assert.equal(await program.matches(user), true);
    assert.equal(await program.matches(["host: a"]), false);
    assert.equal(await program.matches([]), false);
    assert.deepEqual(jq.problems, []);
  });

  test("an error on one text does not keep the next from being judged", async () => {
    await using jq = testEngine();
    using program = await jq.compile('if startswith("host") then error("no") else . == "x-user: me" end');
    assert.equal(await program.matches(user), true);
    assert.equal(await program.matches(["host: a", "host: b"]), false);
  });

  test("many requests at once get their own verdicts", async () => {
    await using jq = testEngine();
    using even = await jq.compile('ltrimstr("n: ") | tonumber % 2 == 0');
    using odd = await jq.compile('ltrimstr("n: ") | tonumber % 2 == 1');
    const numbers = Array.from({ length: 200 }, (_, i) => i);
    const [evens, odds] = await Promise.all([even, odd].map((program) => Promise.all(numbers.map((n) => program.matches([`n: ${n}`])))));
    assert.deepEqual(
      evens,
      numbers.map((n) => n % 2 === 0),
    );
    assert.deepEqual(
      odds,
      numbers.map((n) => n % 2 === 1),
    );
  });

  test("texts reach the program as they are", async () => {
    const odd = [
      'quote: "\\(1)\\"',
      "line: a\nb",
      "emoji: \u{1F600}",
      "tab: \t",
      "nul: \0",
      "separator: \u2028",
      "dollar: $ENV `id` $(id)",
    ];
    await using jq = testEngine();
    using program = await jq.compile(
      `any(${odd.map((text) => JSON.stringify(text)).join(", ")}; . == $text)`.replace("any(", ". as $text | any("),
    );
    for (const text of odd) assert.equal(await program.matches([text]), true, text);
  });
});

suite("programs that do not compile are refused with a text for the client", { skip }, () => {
  const cases: readonly (readonly [program: string, message: RegExp])[] = [
    ["", /syntax error/],
    ["   ", /syntax error/],
    ["# comment", /syntax error/],
    ["def f: 1;", /syntax error/],
    ["(", /syntax error/],
    ["\nfoo", /foo\/0 is not defined \(line 2\)/],
    [") | halt | (", /syntax error/],
    [".); halt | (.", /syntax error/],
    [".); def first(f): true; def g: (.", /syntax error/],
    ["true\n); true #", /syntax error/],
    ['"', /syntax error|unterminated/i],
    ['import "a" as a; true', /syntax error/],
    ['include "/etc/passwd"; true', /syntax error/],
    ['import "/etc/x" as $x; true', /syntax error/],
    ["break $out", /\$\*label-out is not defined/],
    ["true\0garbage", /NUL/],
    [`"${"a".repeat(20_000)}" == .`, /exceeds 16384/],
    ["_client_filter", /is not defined/],
  ];
  for (const [program, message] of cases) {
    test(JSON.stringify(program.slice(0, 60)), async () => {
      await using jq = testEngine();
      await assert.rejects(jq.compile(program), { constructor: FilterError, message });
      assert.deepEqual(jq.problems, []);
      assert.equal(jq.metrics.jqProcesses.value, 0);
    });
  }
});

suite("hostile programs that stay within their limits do nothing but judge", { skip }, () => {
  const cases: readonly (readonly [program: string, expected: boolean])[] = [
    ["input", false],
    ["[inputs], true", true],
    ["first(inputs), input, true", true],
    ["(halt, halt_error, halt_error(1))?, true", true],
    ["halt", false],
    ["env == {} and $ENV == {} and env.PATH == null and $ENV.HOME == null", true],
    ["stderr, debug, debug(1) | true", true],
    ['"a" | modulemeta', false],
    ["get_search_list == []", true],
    ["input_filename == null and input_line_number == 0", true],
    ["error", false],
    ['error({"__jq": 0})', false],
    ["error(null)", false],
    ["label $out | true, break $out", true],
    [`${"(".repeat(5000)}true${")".repeat(5000)}`, true],
    ["# comment\ntrue # comment ) \\", true],
    ["-1 < 0", true],
    ['"--arg" == "--arg"', true],
    ["(range(2000) | tostring), true", true],
    ["[limit(100; repeat(1))] | length == 100", true],
    ["1 as $x | true; false".replace("; false", ""), true],
    ["def first(f): false; def select(f): empty; true", true],
    ['"\u{1F600}\n" == "\\ud83d\\ude00\\n"', true],
    ['"\\u0000" | length == 1', true],
  ];
  for (const [source, expected] of cases) {
    test(JSON.stringify(source.slice(0, 60)), async () => {
      await using jq = testEngine();
      using program = await jq.compile(source);
      const pid = childPid(program);
      assert.deepEqual(await Promise.all([1, 2, 3].map(() => program.matches(user))), [expected, expected, expected]);
      assert.equal(childPid(program), pid);
      assert.deepEqual(jq.problems, []);
    });
  }
});

suite("programs that break their limits are ended, and others do not notice", { skip }, () => {
  const cases: readonly (readonly [program: string, problem: RegExp])[] = [
    ["def f: f; f", /took too long/],
    ["repeat(.) | empty", /took too long/],
    ["range(1e12) | empty", /took too long/],
    ["[range(1e9)]", /too much memory/],
    ["def f: [f]; f", /too much memory/],
    ["def f: 1 + f; f", /too much memory/],
    ['reduce range(1e9) as $i ("x"; . + .)', /too much memory/],
    ["[limit(1e9; repeat(.))]", /too much memory/],
  ];
  for (const [source, problem] of cases) {
    test(source, async () => {
      await using jq = testEngine();
      using good = await jq.compile('test("^x-user: me$")');
      using bad = await jq.compile(`if startswith("host") then ${source} else true end`);
      const pid = childPid(bad);
      assert.equal(await bad.matches(["x-user: me"]), true);
      const verdict = bad.matches(user);
      const waiting = bad.matches(["x-user: me"]);
      assert.equal(await good.matches(user), true);
      assert.equal(await verdict, false);
      assert.equal(await waiting, false);
      assert.equal(await bad.matches(["x-user: me"]), false, "it rests");
      assert.equal(jq.problems.length, 1);
      assert.match(jq.problems[0] ?? "", problem);
      assert.equal(jq.metrics.jqOverruns.value, 1);
      await isGone(pid);
      assert.equal(await good.matches(user), true);
    });
  }
});

test("a program that overran is tried again after its rest, at last no more", { skip }, async () => {
  let skipped = 0;
  await using jq = testEngine({ timeLimitMs: 100, now: () => performance.now() + skipped });
  using program = await jq.compile('if startswith("host") then def f: f; f else true end');
  for (const restMs of [1_000, 4_000, 16_000, 64_000]) {
    assert.equal(await program.matches(user), false);
    assert.equal(await program.matches(["x-user: me"]), false);
    skipped += restMs;
    assert.equal(await program.matches(["x-user: me"]), true);
  }
  assert.equal(await program.matches(user), false);
  skipped += 1e9;
  assert.equal(await program.matches(["x-user: me"]), false);
  assert.equal(jq.metrics.jqOverruns.value, 5);
  assert.equal(jq.metrics.jqUnjudged.value, 5 + 4 + 1);
  assert.deepEqual(
    jq.problems.map((text) => /too long|too often/.exec(text)?.[0]),
    ["too long", "too often"],
  );
});

test("a program that keeps its deadlines gets no more than a share of the processor", { skip }, async () => {
  await using jq = testEngine();
  using program = await jq.compile("[range(30000)] | length == 30000");
  const started = performance.now();
  let judged = 0;
  let refused = 0;
  // The subject is time itself: a second's burst, then two fifths of what passes.
  while (performance.now() - started < 4_000) {
    if (await program.matches(["a: b"])) judged++;
    else {
      refused++;
      await sleep(5);
    }
  }
  assert.ok(judged > 0 && refused > 0, `${judged} judged, ${refused} refused`);
  assert.match(jq.problems.join(), /share of the processor/);
  assert.equal(jq.metrics.jqOverruns.value, 0);
});

test("a child that is late but does not compute is not to blame, and what waits for it does not match", { skip }, async () => {
  await using jq = testEngine({ timeLimitMs: 200 });
  using program = await jq.compile("true");
  const pid = childPid(program);
  process.kill(pid, "SIGSTOP");
  const started = performance.now();
  assert.equal(await program.matches(["a: b"]), false);
  assert.ok(performance.now() - started < 2_000);
  process.kill(pid, "SIGCONT");
  assert.equal(await program.matches(["a: b"]), true);
  assert.equal(childPid(program), pid);
  assert.equal(jq.metrics.jqOverruns.value, 0);
  assert.equal(jq.problems.length, 1);
});

test("more requests than may wait do not match at once", { skip }, async () => {
  await using jq = testEngine();
  using program = await jq.compile("true");
  const verdicts = await Promise.all(Array.from({ length: 400 }, () => program.matches(["a: b"])));
  assert.equal(verdicts.filter((verdict) => verdict).length, 256);
  assert.equal(verdicts.indexOf(false), 256);
  assert.equal(jq.metrics.jqUnjudged.value, 144);
  assert.equal(await program.matches(["a".repeat(300_000)]), false, "too large to wait");
  assert.equal(await program.matches(["a: b"]), true);
  assert.equal(jq.problems.length, 1);
});

test("a request that waits behind slow ones for a second does not match, and the program goes on", { skip }, async () => {
  await using jq = testEngine();
  using program = await jq.compile('if . == "slow" then last(range(2e6)) == 1999999 else true end');
  const started = performance.now();
  const slow = Array.from({ length: 12 }, () => program.matches(["slow"]));
  const verdict = await program.matches(["fast"]);
  const waitedMs = performance.now() - started;
  assert.ok(waitedMs < 3_000, `${waitedMs} ms`);
  const verdicts = await Promise.all(slow);
  if (verdicts.every(Boolean)) assert.equal(verdict, true); // a very fast machine
  else assert.equal(verdict, false);
});

suite("children", { skip }, () => {
  test(
    "a child has no rights, no environment, no files but its pipes, and limits",
    { skip: skip || (process.getuid?.() !== 0 && "needs root") },
    async () => {
      await using jq = testEngine();
      using first = await jq.compile("true");
      using second = await jq.compile("true");
      const pid = childPid(first);
      const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, "latin1");
      const status = await read("status");
      assert.match(status, /^Uid:\t(64\d{3})\t\1\t\1\t\1$/m);
      assert.match(status, /^Gid:\t(64\d{3})\t\1\t\1\t\1$/m);
      assert.match(status, /^Groups:\t *$/m);
      for (const set of ["Inh", "Prm", "Eff", "Amb"]) assert.match(status, new RegExp(`^Cap${set}:\t0+$`, "m"));
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^Threads:\t1$/m);
      assert.notEqual(/^Uid:.*$/m.exec(await readFile(`/proc/${childPid(second)}/status`, "latin1"))?.[0], /^Uid:.*$/m.exec(status)?.[0]);
      assert.equal(await read("environ"), "HOME=/nonexistent\0LC_ALL=C.UTF-8\0");
      const given = await startedWith();
      assert.deepEqual((await readdir(`/proc/${pid}/fd`)).filter((fd) => !given.has(fd)).toSorted(), ["0", "1", "2"]);
      assert.equal((await read("oom_score_adj")).trim(), "1000");
      const fields = (await read("stat")).split(") ")[1]?.split(" ") ?? [];
      assert.equal(fields[16], "19", "nice");
      const limits = await read("limits");
      for (const limit of [
        "processes +0 ",
        "file size +0 ",
        "core file size +0 ",
        "data size +8388608 ",
        "open files +8 ",
        "cpu time +60 ",
      ]) {
        assert.match(limits, new RegExp(`^Max ${limit}`, "m"));
      }
    },
  );

  test("a child ends when its agent is killed, even in an endless loop", async () => {
    const script = `
      import { testEngine } from ${JSON.stringify(new URL("jqFixture.ts", import.meta.url).href)};
      const jq = testEngine();
      const program = await jq.compile("def f: f; f");
      void program.matches(["a: b"]);
      console.log(program.childPid);`;
    const agent = spawn(process.execPath, ["--conditions=source", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(agent.stdout, "data")) as [Buffer];
    const pid = Number(String(line));
    assert.ok(pid > 1);
    agent.kill("SIGKILL");
    await isGone(pid);
  });

  test(
    "without the right to end children, programs are refused and none is left",
    { skip: skip || (process.getuid?.() !== 0 && "needs root") },
    async () => {
      const script = `
      import { testEngine } from ${JSON.stringify(new URL("jqFixture.ts", import.meta.url).href)};
      await using jq = testEngine();
      await jq.compile("true").catch((error) => console.log(error.message));
      console.log(jq.metrics.jqProcesses.value);`;
      const rights = ["--bounding-set=-kill", "--inh-caps=-kill"];
      const agent = spawn("setpriv", [...rights, process.execPath, "--conditions=source", "--input-type=module", "-e", script]);
      assert.equal(
        String(Buffer.concat(await agent.stdout.toArray())),
        "jq filters are not available in this agent: it lacks CAP_KILL\n0\n",
      );
    },
  );

  test("a child that dies between requests is replaced after a rest", async () => {
    let skipped = 0;
    await using jq = testEngine({ now: () => performance.now() + skipped });
    using program = await jq.compile("true");
    const pid = childPid(program);
    process.kill(pid, "SIGKILL");
    while (jq.problems.length === 0) await sleep(5);
    assert.equal(await program.matches(["a: b"]), false);
    skipped = 1_500;
    assert.equal(await program.matches(["a: b"]), true);
    assert.notEqual(childPid(program), pid);
  });
});

suite("disposal", { skip }, () => {
  test("what waits when a program is disposed of does not match, and its child is gone", async () => {
    await using jq = testEngine();
    const program = await jq.compile("def f: f; f");
    const pid = childPid(program);
    const waiting = [program.matches(["a: b"]), program.matches(["a: b"])];
    program[Symbol.dispose]();
    program[Symbol.dispose]();
    assert.deepEqual(await Promise.all(waiting), [false, false]);
    assert.equal(await program.matches(["a: b"]), false);
    await isGone(pid);
    assert.deepEqual(jq.problems, []);
  });

  test("disposing of the engine waits for all children and ends compiling", async () => {
    const jq = testEngine();
    const pid = childPid(await jq.compile("true"));
    const compiling = assert.rejects(jq.compile("true"), /stopping/);
    await jq[Symbol.asyncDispose]();
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    await compiling;
    await assert.rejects(jq.compile("true"), /stopping/);
    assert.equal(jq.metrics.jqProcesses.value, 0);
  });

  test("an aborted compilation leaves nothing behind", async () => {
    await using jq = testEngine({ maxPrograms: 1 });
    for (const delayMs of [0, 1, 10, 20, 30, 40, 60]) {
      const abort = new AbortController();
      const compiling = jq.engine.compile("true", { onProblem: unexpected, signal: abort.signal });
      const ended = compiling.then(
        (program) => program[Symbol.dispose](),
        (error: unknown) => assert.equal(error, abort.signal.reason),
      );
      await sleep(delayMs); // the subject is the moment
      abort.abort(new Error("left"));
      await ended;
      while (jq.metrics.jqProcesses.value > 0) await sleep(5);
    }
    using program = await jq.compile("true");
    assert.equal(await program.matches(["a: b"]), true);
  });
});

suite("numbers of programs", { skip }, () => {
  test("are limited for all and for one owner, until one is disposed of", async () => {
    await using jq = testEngine({ maxPrograms: 3, maxProgramsPerOwner: 2 });
    const owner = {};
    const ofOwner = (): Promise<JqProgram> => jq.engine.compile("true", { onProblem: unexpected, owner });
    const [first] = await Promise.all([ofOwner(), ofOwner()]);
    await assert.rejects(ofOwner(), { constructor: FilterError, message: "more than 2 jq filters of one client" });
    await jq.compile("true");
    await assert.rejects(jq.compile("true"), { constructor: FilterError, message: "more than 3 jq filters in this agent" });
    const gone = isGone(childPid(first));
    first[Symbol.dispose]();
    await gone;
    while (jq.metrics.jqProcesses.value > 2) await sleep(5);
    await ofOwner();
  });

  test("a program that does not compile takes none", async () => {
    await using jq = testEngine({ maxPrograms: 1 });
    for (let i = 0; i < 3; i++) await assert.rejects(jq.compile("("), FilterError);
    await jq.compile("true");
  });
});

test("without jq, the client is told so", async () => {
  await using jq = testEngine({ searchPath: "/nonexistent" });
  const message = "jq filters are not available in this agent: the program jq was not found";
  await assert.rejects(jq.compile("true"), { constructor: FilterError, message });
});
