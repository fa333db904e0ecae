// What a process and all its descendants use, as the kernel counts it in /proc: processor time, memory, open descriptors. It changes nothing about them.

import { readdir, readFile, readlink } from "node:fs/promises";

/** The kernel's unit of processor time in /proc/PID/stat, the same on all processors that Node runs on. */
const TICKS_PER_SECOND = 100;
const KIB_PER_MIB = 1024;

export interface ProcessUse {
  readonly pid: number;
  readonly command: string;
  readonly residentMiB: number;
  /** Pages that several processes share are divided among them. */
  readonly proportionalMiB: number;
  /** Highest resident memory since its start. */
  readonly peakMiB: number;
  readonly threads: number;
}

export class ProcessTree {
  readonly #root: number;

  /** @param root process id as this process sees it. */
  constructor(root: number) {
    this.#root = root;
  }

  /** Process ids of the root and its descendants that live now. */
  async pids(): Promise<number[]> {
    const found = [this.#root];
    for (let index = 0; index < found.length; index++) found.push(...(await childrenOf(found[index]!)));
    return found;
  }

  /** Every process now. One that ends meanwhile is left out. */
  async use(): Promise<ProcessUse[]> {
    const uses = await Promise.all((await this.pids()).map((pid) => useOf(pid).catch(() => null)));
    return uses.filter((use) => use !== null);
  }

  /** What every descriptor leads to, as the kernel names it without the number: "socket", "pipe", a path. */
  async openFiles(): Promise<string[]> {
    return (await Promise.all((await this.pids()).map(openFilesOf))).flat();
  }

  /** Sum of a figure over all processes now. */
  async total(figure: "residentMiB" | "proportionalMiB" | "peakMiB"): Promise<number> {
    return (await this.use()).reduce((sum, use) => sum + use[figure], 0);
  }

  /**
   * Processor time of all of them so far in milliseconds, threads and children that have ended included. That of living threads is exact, of others it is
   * counted in steps of 10 ms.
   */
  async processorMs(): Promise<number> {
    const times = await Promise.all((await this.pids()).map((pid) => processorMsOf(pid).catch(() => 0)));
    return times.reduce((sum, ms) => sum + ms, 0);
  }

  /** How often the root's main thread has gone to sleep so far: each time, something had woken it. */
  async sleeps(): Promise<number> {
    return Number(statusField(await readFile(`/proc/${this.#root}/status`, "utf8"), "voluntary_ctxt_switches"));
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  // The kernel makes these files' text anew with every read, so they are read in one go.
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "")));
  return lists.flatMap((list) => list.split(" ").filter((word) => word !== "")).map(Number);
}

async function useOf(pid: number): Promise<ProcessUse> {
  const [status, rollup, comm] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readFile(`/proc/${pid}/smaps_rollup`, "utf8"),
    readFile(`/proc/${pid}/comm`, "utf8"),
  ]);
  return {
    pid,
    command: comm.trim(),
    residentMiB: Number(statusField(status, "VmRSS")) / KIB_PER_MIB,
    proportionalMiB: Number(statusField(rollup, "Pss")) / KIB_PER_MIB,
    peakMiB: Number(statusField(status, "VmHWM")) / KIB_PER_MIB,
    threads: Number(statusField(status, "Threads")),
  };
}

async function openFilesOf(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => null)));
  return targets.filter((target) => target !== null).map((target) => target.replace(/:\[\d+\]$/, ""));
}

async function processorMsOf(pid: number): Promise<number> {
  const [stat, threads] = await Promise.all([readFile(`/proc/${pid}/stat`, "utf8"), readdir(`/proc/${pid}/task`)]);
  // Behind the command, which may hold anything: fields 14 and 15 are the process's time, 16 and 17 that of children that were waited for (proc(5)).
  const [own, ownKernel, ended, endedKernel] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 15)
    .map((ticks) => (Number(ticks) * 1000) / TICKS_PER_SECOND) as [number, number, number, number];
  const nanoseconds = await Promise.all(
    threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "0");
      return Number(text.split(" ")[0]);
    }),
  );
  const livingThreads = nanoseconds.reduce((sum, each) => sum + each, 0) / 1e6;
  return Math.max(livingThreads, own + ownKernel) + ended + endedKernel;
}

function statusField(text: string, name: string): string {
  return new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? "0";
}
