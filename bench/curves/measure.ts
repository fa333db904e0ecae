// A process that measures one point of one curve: a fresh pod, a fresh agent. The runner starts it; it prints one line of JSON.

import { argv, exit, stdout } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "@understudy/client";
import { AgentProcess, PeerFolder, Pod, ProcessTree } from "@understudy/test";
import type { CurvePoint } from "./curve.ts";
import { curves } from "./curves.ts";

const env = { MIRRORD_AGENT_IDLE_TTL: "3600" };
/** Until what an idle agent does at first is over. */
const REST_MS = 500;

async function measure(name: string, size: number): Promise<CurvePoint> {
  const curve = curves.find((one) => one.name === name);
  if (curve === undefined) throw new Error(`there is no curve "${name}"`);
  await using folder = await PeerFolder.make();
  await using pod = await Pod.start();
  await using agent = await AgentProcess.start(pod, { env });
  await using owned = new AsyncDisposableStack();
  const session = async (): Promise<Session> => owned.use(await agent.connect());
  const tree = new ProcessTree(await agent.pid());
  const world = { agent, tree, folder: folder.path, session };
  await sleep(REST_MS);
  const memoryBefore = await tree.total("residentMiB");
  const before = await tree.processorMs();
  const units = await curve.work(world, size);
  const costUs = (((await tree.processorMs()) - before) * 1000) / units;
  return { size, costUs, memoryMiB: (await tree.total("residentMiB")) - memoryBefore };
}

const point = await measure(argv[2] ?? "", Number(argv[3]));
stdout.write(`${JSON.stringify(point)}\n`, () => exit(0));
