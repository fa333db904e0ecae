import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite, test } from "node:test";
import { findByControlGroup, namesContainer } from "./controlGroups.ts";

const id = "9f2a4c8e5b7d1036a1b2c3d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f7081";
const other = id.replace("9f", "aa");

interface ProcessOf {
  readonly cgroup: string;
  readonly parent?: number;
  /** Its ids, from the outermost process namespace to its own. */
  readonly ids?: readonly number[];
  readonly startedAt?: number;
}

/** A directory as proc shows it. */
async function proc(processes: Readonly<Record<number, ProcessOf>>): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await mkdtemp(path.join(tmpdir(), "understudy-proc-"));
  await mkdir(`${directory}/sys`);
  for (const [pid, { cgroup, parent = 1, ids = [Number(pid)], startedAt = 100 }] of Object.entries(processes)) {
    await mkdir(`${directory}/${pid}`);
    await writeFile(`${directory}/${pid}/cgroup`, `${cgroup}\n`);
    await writeFile(`${directory}/${pid}/status`, `Name:\tserver\nPPid:\t${parent}\nNSpid:\t${ids.join("\t")}\n`);
    const fields = Array.from({ length: 17 }, () => "0").join(" ");
    await writeFile(`${directory}/${pid}/stat`, `${pid} (a) b) S ${parent} ${fields} ${startedAt} 0 0\n`);
  }
  return { path: directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

suite("a control group names the container", () => {
  // As containerd, Docker and CRI-O make them, with their own driver and with systemd's, in both versions of control groups.
  const names: Readonly<Record<string, string>> = {
    "of version 1, in several hierarchies": `12:memory:/kubepods/burstable/pod1/${id}\n1:name=systemd:/kubepods/burstable/pod1/${id}\n0::/`,
    "of version 2": `0::/kubepods/besteffort/pod1/${id}`,
    "of containerd with systemd": `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-${id}.scope`,
    "of containerd that was told of systemd, without it": `4:cpu:/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:${id}`,
    "of Docker": `0::/system.slice/docker-${id}.scope`,
    "of Docker with its own driver": `9:pids:/docker/${id}`,
    "of CRI-O": `0::/kubepods.slice/kubepods-pod1.slice/crio-${id}.scope`,
    "of a process in a group of the container's own": `0::/kubepods.slice/crio-${id}.scope/container/init.scope`,
    "seen from a control group namespace beside it": `0::/../cri-containerd-${id}.scope`,
    "seen from a control group namespace of another pod": `0::/../../kubepods-besteffort-pod2.slice/cri-containerd-${id}.scope`,
  };
  for (const [name, cgroups] of Object.entries(names)) {
    test(name, () => {
      assert.equal(namesContainer(cgroups, id), true);
      assert.equal(namesContainer(cgroups, other), false);
      assert.equal(namesContainer(cgroups, id.slice(0, 12)), false);
      assert.equal(namesContainer(cgroups, ""), false);
    });
  }

  test("but not that of its monitor, nor one that only contains the id", () => {
    assert.equal(namesContainer(`0::/system.slice/crio-conmon-${id}.scope`, id), false);
    assert.equal(namesContainer(`0::/kubepods/${id}0`, id), false);
    assert.equal(namesContainer(`0::/kubepods/0${id}`, id), false);
    assert.equal(namesContainer("0::/", id), false);
  });
});

suite("the main process of a container is", () => {
  const cgroup = `0::/kubepods/pod1/${id}`;

  test("process 1 of its namespace, not what was started in the container since, nor before by a lower id", async () => {
    await using directory = await proc({
      1: { cgroup: "0::/init.scope" },
      300: { cgroup, ids: [300, 40], startedAt: 900 },
      4000: { cgroup, ids: [4000, 1], startedAt: 500 },
      4100: { cgroup, ids: [4100, 7], parent: 4000, startedAt: 510 },
      5000: { cgroup: `0::/kubepods/pod1/${other}`, ids: [5000, 1], startedAt: 1 },
    });
    assert.equal(findByControlGroup(id, directory.path), 4000);
  });

  test("the one that came first from outside, where processes are shared", async () => {
    await using directory = await proc({
      1: { cgroup: "0::/../pause" },
      20: { cgroup, ids: [20], parent: 0, startedAt: 500 },
      30: { cgroup, ids: [30], parent: 20, startedAt: 501 },
      12: { cgroup, ids: [12], parent: 0, startedAt: 600 },
    });
    assert.equal(findByControlGroup(id, directory.path), 20);
  });

  test("not process 1 of a container in the container", async () => {
    await using directory = await proc({
      100: { cgroup: `${cgroup}/docker/${other}`, ids: [100, 50, 1], startedAt: 1 },
      200: { cgroup, ids: [200, 1], startedAt: 900 },
    });
    assert.equal(findByControlGroup(id, directory.path), 200);
    assert.equal(findByControlGroup(other, directory.path), 100);
  });

  test("none where no process is in the container", async () => {
    await using directory = await proc({ 1: { cgroup: "0::/" }, 2: { cgroup: `0::/${other}` } });
    assert.equal(findByControlGroup(id, directory.path), null);
  });
});
