// One bounded jq process: started, written to, listened to, killed. It knows lines, not requests; see `residentProgram.ts`.

import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setPriority } from "node:os";
import { type JqTools, boundedJq } from "./jqTools.ts";
import { checkedSource, residentSource } from "./jqSource.ts";

/** How a child ended. */
export interface ChildEnd {
  /** Null when a signal ended it, or when it could not be started. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Behind everything else that runs: a program that overruns takes what is left over. */
const niceness = 19;
const saidMaxChars = 4 * 1024;
/** Longest line of an answer: `true` or a number. */
const lineMaxChars = 16;

// Nothing of the agent's environment. Without a home directory there is no file with definitions to read.
const environment = { HOME: "/nonexistent", LC_ALL: "C.UTF-8" };

export interface ChildHandlers {
  /** One line of an answer, without its end. */
  readonly onLine: (line: string) => void;
  /** It wrote what no answer looks like. It is still there: kill it. */
  readonly onGarbage: () => void;
  /** Called once, whatever ended it. */
  readonly onEnd: (end: ChildEnd) => void;
}

/** A child that stays. Ends when killed, when the agent ends, or by its limits. */
export class JqChild {
  readonly #child;
  readonly #ended = Promise.withResolvers<void>();
  #partial = "";

  /** Starts it. `program` is one that was checked. */
  constructor(tools: JqTools, slot: number, program: string, handlers: ChildHandlers) {
    const [command, args] = boundedJq(tools, "resident", slot, residentSource(program));
    this.#child = spawn(command, args, { detached: true, cwd: "/", env: environment, stdio: ["pipe", "pipe", "ignore"] });
    lowerPriority(this.#child.pid);
    // Writing to a child that has ended fails; its end is told by "close".
    this.#child.stdin.on("error", () => undefined);
    this.#child.stdout.on("error", () => undefined);
    this.#child.stdout.setEncoding("latin1").on("data", (text: string) => this.#hear(text, handlers));
    onceEnded(this.#child, (end) => {
      this.#ended.resolve();
      handlers.onEnd(end);
    });
  }

  /** Whether this process may end it. Another user's processes can only be ended with CAP_KILL. */
  get canBeKilled(): boolean {
    return this.#child.kill(0);
  }

  /** Computing time so far, in steps of 10 ms; undefined where that cannot be known. */
  async cpuMs(): Promise<number | undefined> {
    try {
      // proc_pid_stat(5): the name, which is in parentheses, is field 2; user and system time are fields 14 and 15, in ticks of 10 ms.
      const stat = await readFile(`/proc/${this.#child.pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * 10;
    } catch {
      return undefined;
    }
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the process is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Whoever writes waits for answers before writing without bounds. */
  write(lines: string): void {
    this.#child.stdin.write(lines);
  }

  kill(): void {
    // The end of its input ends a child that may not be killed.
    this.#child.stdin.destroy();
    this.#child.kill("SIGKILL");
  }

  #hear(text: string, handlers: ChildHandlers): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) handlers.onLine(line);
    if (this.#partial.length > lineMaxChars) handlers.onGarbage();
  }
}

/** What a child that only compiles came to. */
export interface CheckResult extends ChildEnd {
  /** The beginning of what it said. */
  readonly said: string;
}

/** Has a program compiled and not run. @throws the signal's reason when it aborts, once the child is gone. */
export async function runCheck(tools: JqTools, slot: number, program: string, signal: AbortSignal): Promise<CheckResult> {
  signal.throwIfAborted();
  const [command, args] = boundedJq(tools, "check", slot, checkedSource(program));
  const child = spawn(command, args, { detached: true, cwd: "/", env: environment, stdio: ["ignore", "ignore", "pipe"] });
  lowerPriority(child.pid);
  let said = "";
  child.stderr.on("error", () => undefined);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < saidMaxChars) said += text.slice(0, saidMaxChars);
  });
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  const end = await new Promise<ChildEnd>((resolve) => onceEnded(child, resolve));
  signal.removeEventListener("abort", kill);
  signal.throwIfAborted();
  return { ...end, said };
}

function onceEnded(child: Pick<ChildProcess, "on" | "pid">, ended: (end: ChildEnd) => void): void {
  let isTold = false;
  const tell = (end: ChildEnd): void => {
    if (isTold) return;
    isTold = true;
    ended(end);
  };
  // Told for a signal that could not be sent, too.
  child.on("error", () => {
    if (child.pid === undefined) tell({ exitCode: null, signal: null });
  });
  child.on("close", (exitCode, signal) => tell({ exitCode, signal }));
}

function lowerPriority(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, niceness);
  } catch {
    // It has ended already, or the system does not let us; its deadline bounds it all the same.
  }
}
