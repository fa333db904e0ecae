// A node for tests, as a cluster has them: a process and mount namespace of its own, where nobody else meets it, with a container runtime in it. Everything ends with the
// node's process 1, thus with the test, also when that is killed.

import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { moveOutside, onlyChild, targetFile } from "../pod/pod.ts";

const run = promisify(execFile);

/** Of the machine, for the node's containers: their programs, and this repository. */
export const sharedFolders: readonly string[] = [
  "/usr",
  "/lib",
  "/lib64",
  "/bin",
  fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, ""),
];

/** The target of `pod/`, which containers run. */
export const targetProgram = fileURLToPath(new URL("../pod/targetFixture.ts", import.meta.url));

/** How long a runtime or a container may take to start. */
export const START_MS = 15_000;

export interface TestNodeOptions {
  /** Shell commands that start the runtime, in the background. `/run/node/rootfs` is what containers' images are made of. */
  readonly runtime: string;
  /** Beginning of the name of the control group of its containers. */
  readonly name: string;
}

export class TestNode implements AsyncDisposable {
  readonly #init: ChildProcessByStdio<Writable, Readable, null>;
  protected readonly controlGroup: string;
  #pid = 0;

  protected constructor({ runtime, name }: TestNodeOptions) {
    this.controlGroup = `${name}-${process.pid}`;
    const setUp = `
      mount -t tmpfs understudy /run
      mkdir -p /run/node/rootfs
      echo ready
      read -r _
      ${runtime}
      exec cat
    `;
    const namespaces = ["--pid", "--mount", "--fork", "--kill-child", "--mount-proc"];
    this.#init = spawn("unshare", [...namespaces, "sh", "-ec", setUp], { stdio: ["pipe", "pipe", "inherit"], detached: true });
    this.#init.stdin.on("error", () => undefined);
  }

  /** The node's process 1, as the test sees it. */
  get pid(): number {
    return this.#pid;
  }

  /** Where a process in the node's process namespace finds the node's files, as an agent's pod has them at `/host`. */
  readonly hostRoot = "/proc/1/root";

  /** A path of the node, for the test. */
  path(path: string): string {
    return `/proc/${this.#pid}/root${path}`;
  }

  /** Runs a program on the node, in the test's network, and returns what it prints. */
  async exec(...command: readonly string[]): Promise<string> {
    const { stdout } = await run("nsenter", this.entering(command), { timeout: 20_000 });
    return stdout;
  }

  /** Ends everything of the node. */
  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#init, "exit");
    this.#init.stdin.end();
    await exited;
    const groups = `/sys/fs/cgroup/${this.controlGroup} /sys/fs/cgroup/*/${this.controlGroup}`;
    await run("sh", ["-c", `for path in ${groups}; do rmdir $path/* $path; done 2>/dev/null; true`]);
  }

  /** To be called once. `prepare` is done before the runtime starts; `ask` rejects until it answers. Ends the node when it does not come up. */
  protected async begin(prepare: () => Promise<void>, ask: () => Promise<unknown>): Promise<void> {
    try {
      await once(this.#init.stdout, "data");
      this.#pid = await onlyChild(this.#init.pid ?? 0);
      await moveOutside();
      await run("ip", ["link", "set", "lo", "up"]);
      await this.#makeRoot();
      await prepare();
      this.#init.stdin.write("\n");
      await answering(ask);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The parameters of nsenter(1) for a command on the node. */
  protected entering(command: readonly string[]): string[] {
    return ["--target", String(this.#pid), "--pid", "--mount", "--", ...command];
  }

  /** The root directory of containers: little of its own, the rest is mounted. */
  async #makeRoot(): Promise<void> {
    const root = this.path("/run/node/rootfs");
    for (const directory of ["etc", "srv/understudy", "tmp"]) await mkdir(`${root}/${directory}`, { recursive: true });
    await writeFile(`${root}${targetFile.path}`, targetFile.text);
  }
}

async function answering(ask: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw new Error("the container runtime does not start", { cause: error });
      await sleep(50);
    }
  }
}
