// A control group with a limit on memory, as a pod's container has one, of either version; and a way to use its memory up from inside. It is
// filled by a file in memory, so the kernel, which kills the largest process, finds another than the one that fills it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

interface Version {
  readonly folder: string;
  /** File of the parent that must name the controller first; null where none must. */
  readonly enable: string | null;
  readonly limit: string;
  readonly noSwap: readonly [file: string, text: string];
  /** File with a line `oom_kill <count>`. */
  readonly kills: string;
}

const versions: readonly Version[] = [
  {
    folder: "/sys/fs/cgroup/memory",
    enable: null,
    limit: "memory.limit_in_bytes",
    noSwap: ["memory.swappiness", "0"],
    kills: "memory.oom_control",
  },
  {
    folder: "/sys/fs/cgroup",
    enable: "cgroup.subtree_control",
    limit: "memory.max",
    noSwap: ["memory.swap.max", "0"],
    kills: "memory.events",
  },
];

export class MemoryGroup implements AsyncDisposable {
  readonly #version: Version;
  readonly #path: string;
  readonly #limitMiB: number;

  private constructor(version: Version, path: string, limitMiB: number) {
    this.#version = version;
    this.#path = path;
    this.#limitMiB = limitMiB;
  }

  /** @throws where the machine has no such groups, or does not let them be made. */
  static make(limitMiB: number): MemoryGroup {
    const version = versions.find(({ folder, kills }) => existsSync(`${folder}/${kills}`) || existsSync(`${folder}/cgroup.controllers`));
    if (version === undefined) throw new Error("no control groups of memory are mounted");
    const { folder, enable, limit, noSwap } = version;
    if (enable !== null) writeFileSync(`${folder}/${enable}`, "+memory");
    const path = `${folder}/understudy-memory-${process.pid}`;
    mkdirSync(path);
    try {
      writeFileSync(`${path}/${limit}`, String(limitMiB * 1024 * 1024));
      // Not there where the kernel cannot swap.
      if (existsSync(`${path}/${noSwap[0]}`)) writeFileSync(`${path}/${noSwap[0]}`, noSwap[1]);
    } catch (error) {
      rmdirSync(path);
      throw error;
    }
    return new MemoryGroup(version, path, limitMiB);
  }

  /** A shell's command that moves the shell into the group. */
  get enter(): string {
    return `echo 0 > ${this.#path}/cgroup.procs`;
  }

  /** How many processes were killed for the limit. */
  get kills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(`${this.#path}/${this.#version.kills}`, "utf8"))?.[1] ?? 0);
  }

  /** Fills the group until the kernel kills its largest process, and empties it again at once: what uses up a container's memory is what is killed. */
  async fill(): Promise<void> {
    const script = `
      mount -t tmpfs -o size=${this.#limitMiB}m understudy /mnt
      part=0
      until grep -q '^oom_kill [1-9]' ${this.#path}/${this.#version.kills} || [ $part -ge ${this.#limitMiB} ]; do
        part=$((part + 1))
        sh -c '${this.enter}; exec dd if=/dev/zero of=/mnt/'$part' bs=1M count=1' 2>/dev/null || true
      done
      umount /mnt`;
    const child = spawn("unshare", ["--mount", "sh", "-ec", script], { stdio: ["ignore", "ignore", "inherit"] });
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) throw new Error(`the group cannot be filled: ${code}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was in it goes a moment after its end.
    for (let tries = 1; ; tries++) {
      try {
        rmdirSync(this.#path);
        return;
      } catch (error) {
        if (tries === 100) throw error;
        await sleep(20);
      }
    }
  }
}

/** Why there can be no such group here; false where there can. */
export async function memoryGroupSkipReason(): Promise<string | false> {
  try {
    await MemoryGroup.make(64)[Symbol.asyncDispose]();
    return false;
  } catch (error) {
    return `needs control groups of memory: ${String(error)}`;
  }
}
