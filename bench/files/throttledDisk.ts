// What other sessions notice while one asks for files of a slow disk that nothing has cached: an ext4 on a loop device that the kernel lets the
// agent read a few times a second only. Needs root, losetup, mkfs.ext4 and the control group "blkio" (version 1). README.md says more.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { AgentUnderMeasure, PingWatch } from "./agentUnderMeasure.ts";

const readsPerSecond = 40;
const imageBytes = 512 * 2 ** 20;
const directoryCount = 200;
const filesOfDirectory = 10;
const seconds = 8;
const controlGroups = "/sys/fs/cgroup/blkio";
const inNamespace = "UNDERSTUDY_BENCH_IN_NAMESPACE";

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8" }).trim();
}

/** Mounts are made where nobody else sees them, and vanish with this process. */
function runInNamespace(): number {
  const args = ["--mount", process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)];
  return spawnSync("unshare", args, { stdio: "inherit", env: { ...process.env, [inNamespace]: "1" } }).status ?? 1;
}

class SlowDisk implements Disposable {
  readonly place: string;
  readonly group: string;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "understudy-disk-"));
  readonly #device: string;

  constructor() {
    this.place = path.join(this.#folder, "mounted");
    this.group = path.join(controlGroups, path.basename(this.#folder));
    const image = path.join(this.#folder, "image");
    writeFileSync(image, "");
    truncateSync(image, imageBytes);
    mkdirSync(this.place);
    run("mkfs.ext4", "-q", image);
    this.#device = run("losetup", "--find", "--show", "--direct-io=on", image);
    run("mount", this.#device, this.place);
    for (let number = 0; number < directoryCount; number += 1) {
      const directory = path.join(this.place, `d${number}`);
      mkdirSync(directory);
      for (let file = 0; file < filesOfDirectory; file += 1) writeFileSync(path.join(directory, `f${file}`), Buffer.alloc(16_384, "x"));
    }
    // Mounted anew, nothing of it is cached.
    run("umount", this.place);
    run("mount", this.#device, this.place);
    mkdirSync(this.group);
    const [major, minor] = run("stat", "--format=%Hr:%Lr", this.#device).split(":");
    writeFileSync(path.join(this.group, "blkio.throttle.read_iops_device"), `${major}:${minor} ${readsPerSecond}`);
  }

  /** A command's prefix that makes it read slowly. */
  get prefix(): readonly string[] {
    return ["sh", "-c", `echo $$ > ${this.group}/cgroup.procs; exec "$@"`, "sh"];
  }

  [Symbol.dispose](): void {
    spawnSync("umount", [this.place]);
    run("losetup", "--detach", this.#device);
    rmdirSync(this.group);
    rmSync(this.#folder, { recursive: true });
  }
}

/** Looks again and again whether the agent's main thread waits for a disk. */
class DiskWaitWatch {
  #looks = 0;
  #waits = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      this.#looks += 1;
      if (/\) D /.test(readFileSync(`/proc/${pid}/task/${pid}/stat`, "utf8"))) this.#waits += 1;
    }, 1);
  }

  end(): string {
    clearInterval(this.#timer);
    return `main thread waiting for a disk in ${this.#waits} of ${this.#looks} looks`;
  }
}

/** Goes through the disk once, until the time is over. */
async function askForUncached(agent: AgentUnderMeasure, place: string): Promise<string> {
  await using session = await agent.session();
  let requests = 0;
  const untilMs = performance.now() + seconds * 1000;
  for (let number = 0; number < directoryCount && performance.now() < untilMs; number += 1) {
    const directory = path.join(place, `d${number}`);
    for await (const { name } of session.files.requests.readDir(directory)) {
      const file = path.join(directory, name);
      await session.files.requests.stat(file);
      const fd = await session.files.requests.open(file);
      await session.files.requests.read(fd, 16_384);
      await session.files.requests.close(fd);
      requests += 4;
    }
  }
  return `${requests} requests for uncached files`;
}

async function measure(): Promise<void> {
  using disk = new SlowDisk();
  await using agent = await AgentUnderMeasure.start(disk.prefix);
  for (const isBusy of [false, true]) {
    await using pings = await PingWatch.start(agent);
    const waits = new DiskWaitWatch(agent.pid);
    const work = isBusy
      ? askForUncached(agent, disk.place)
      : new Promise<string>((resolve) => setTimeout(resolve, 2000, "nothing going on"));
    const what = await work;
    console.log(`${what.padEnd(40)} ${await pings.percentiles()}, ${waits.end()}`);
  }
}

if (process.env[inNamespace] === undefined) process.exit(runInNamespace());
if (existsSync(path.join(controlGroups, "blkio.throttle.read_iops_device"))) await measure();
else console.log("not measured: there is no control group blkio of version 1");
