// A process that measures one work once: a fresh pod, a fresh agent in it, and this process as its client. The runner starts it for every measurement, so that no
// client is warmer than another, and ends it when it takes too long; pod and agent end with it.

import { argv, exit, stdout } from "node:process";
import type { Session } from "@understudy/client";
import { AgentProcess, listening, PeerFolder, Pod, ProcessTree, startInPod } from "@understudy/test";
import { fileURLToPath } from "node:url";
import { benchPorts } from "./ports.ts";
import type { MeasuringResult, MeasuringTask } from "./task.ts";
import type { Figure, Work } from "./work.ts";
import { works } from "./works/index.ts";

/** Nothing an admin would set otherwise; long enough for every work. */
const env = { MIRRORD_AGENT_IDLE_TTL: "3600" };

/** A container of a pod finds the pod's own hosts and resolver among its files; an agent may look at those instead of the target's. */
function likeInPod(command: string, folder: string): string {
  const mounts = ["hosts", "resolv.conf"].map((name) => {
    const copy = `${folder}/${name}`;
    return `cat /proc/1/root/etc/${name} > '${copy}' && mount --bind '${copy}' "$(readlink -f /etc/${name})"`;
  });
  return `${mounts.join(" && ")} && exec ${command}`;
}

async function measure(work: Work, { command, seconds, warmUpSeconds }: MeasuringTask): Promise<readonly Figure[]> {
  await using folder = await PeerFolder.make();
  await using pod = await Pod.start();
  await startInPod(pod, process.execPath, fileURLToPath(new URL("target.ts", import.meta.url)), folder.path);
  await listening(...Object.values(benchPorts));
  const startedAt = performance.now();
  await using agent = await AgentProcess.start(pod, { env, ...(command === null ? {} : { command: likeInPod(command, folder.path) }) });
  const readyAfterMs = performance.now() - startedAt;
  const tree = new ProcessTree(await agent.pid());
  await using owned = new AsyncDisposableStack();
  // Another agent's own children may outlive it.
  owned.defer(() => agent.killGroup());
  const session = async (): Promise<Session> => owned.use(await agent.connect());
  const figures = await work.measure({ pod, agent, tree, readyAfterMs, seconds, warmUpSeconds, folder: folder.path, session });
  return [...figures, { what: "peak memory", unit: "MiB", better: "lower", value: await tree.total("peakMiB") }];
}

async function run(task: MeasuringTask): Promise<MeasuringResult> {
  const work = works.find(({ name }) => name === task.work);
  if (work === undefined) return { kind: "failed", reason: `there is no work "${task.work}"` };
  try {
    return { kind: "figures", figures: await measure(work, task) };
  } catch (error) {
    return { kind: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}

const result = await run(JSON.parse(argv[2] ?? "{}") as MeasuringTask);
stdout.write(`${JSON.stringify(result)}\n`, () => exit(0));
