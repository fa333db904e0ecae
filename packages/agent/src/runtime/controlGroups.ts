// Finds a container's main process without its runtime: by the names of control groups, which runtimes make from the container's id. It needs to see
// the container's processes, thus a process namespace shared with it, or the node's. Sources: cgroups(7), proc_pid_status(5), proc_pid_stat(5).
//
// Synchronous: it is meant for the time before serving, and for a process of its own.

import { readdirSync, readFileSync } from "node:fs";

/** A process of a container. */
interface Member {
  readonly pid: number;
  readonly parent: number;
  /** Process namespaces that it is in, as seen from the reader's: 1 for the reader's own. */
  readonly depth: number;
  /** Whether it is process 1 of the innermost. */
  readonly isFirst: boolean;
  /** In ticks since boot. */
  readonly startedAt: number;
}

/**
 * The main process of a container; null when no process belongs to it.
 *
 * @param procPath where proc is mounted. Default `/proc`.
 */
export function findByControlGroup(containerId: string, procPath = "/proc"): number | null {
  const members = new Map<number, Member>();
  for (const name of readdirSync(procPath)) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!namesContainer(readFileSync(`${procPath}/${name}/cgroup`, "utf8"), containerId)) continue;
      const member = readMember(Number(name), procPath);
      members.set(member.pid, member);
    } catch {
      // The process has ended meanwhile, or is hidden: the target is neither.
    }
  }
  const [main] = [...members.values()].toSorted((a, b) => compare(rank(a, members), rank(b, members)));
  return main?.pid ?? null;
}

/** Whether a `/proc/<pid>/cgroup` is that of a process in the container: a part of a path is the id, or what runtimes make of it. */
export function namesContainer(cgroups: string, containerId: string): boolean {
  if (containerId === "") return false;
  return cgroups.split("\n").some((line) => {
    // "4:memory:/kubepods/pod1/<id>", on one with systemd "/kubepods-pod1.slice/cri-containerd-<id>.scope", the same without a
    // driver for systemd "/kubepods-pod1.slice:cri-containerd:<id>". A path may begin with "/.." in a control group namespace.
    const path = line.split(":").slice(2).join(":");
    return path.split(/[/:]/).some((part) => isNameOf(part, containerId));
  });
}

function isNameOf(part: string, containerId: string): boolean {
  const name = part.endsWith(".scope") ? part.slice(0, -".scope".length) : part;
  if (name === containerId) return true;
  const prefix = name.slice(0, -containerId.length);
  // CRI-O's monitor of the container has a group beside it, `crio-conmon-<id>`.
  return name.endsWith(`-${containerId}`) && /^[a-z][a-z-]*-$/.test(prefix) && !prefix.includes("conmon-");
}

/**
 * What makes a process the main one, smallest first: the outermost process namespace (others are of containers in the container), process 1 of it, a
 * parent outside of the container, the earliest start (others were started in it later).
 */
function rank({ depth, isFirst, parent, startedAt, pid }: Member, members: ReadonlyMap<number, Member>): readonly number[] {
  return [depth, Number(!isFirst), Number(members.has(parent)), startedAt, pid];
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

function readMember(pid: number, procPath: string): Member {
  const status = readFileSync(`${procPath}/${pid}/status`, "utf8");
  const ids = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [String(pid)];
  const parent = Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
  // The second field, a name in brackets, may hold anything.
  const stat = readFileSync(`${procPath}/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { pid, parent, depth: ids.length, isFirst: ids.at(-1) === "1", startedAt: Number(fields[19] ?? 0) };
}
