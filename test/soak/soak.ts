// Lets all scenarios loose on one agent for a long time, has them stop twice, when the agent is warm and at the end, and looks each time at what it holds then.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod } from "../pod/pod.ts";
import { ProcessTree } from "../pod/processTree.ts";
import { serveHttp2 } from "../pod/serveHttp2.ts";
import { PeerFolder } from "../peers/peerPrograms.ts";
import { type AgentState, agentState, METRICS_PORT, type RestingState, restingState } from "./agentState.ts";
import type { Scenario, World } from "./scenario.ts";
import { type Limits, problems, type SoakFacts } from "./verdict.ts";

export interface SoakOptions {
  /** How long scenarios run before the first look. */
  readonly warmUpSeconds: number;
  /** How long they run after it. */
  readonly seconds: number;
  readonly limits: Limits;
  readonly scenarios: readonly Scenario[];
  /** Told now and then how it goes. */
  readonly onProgress?: (text: string) => void;
}

export interface SoakSample extends Pick<AgentState, "residentMiB" | "proportionalMiB"> {
  readonly descriptors: number;
  /** Since the start of the load, rests included. */
  readonly atSeconds: number;
}

export interface SoakResult extends SoakFacts {
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly limits: Limits;
  /** Turns of each scenario. */
  readonly turns: Readonly<Record<string, number>>;
  readonly samples: readonly SoakSample[];
  readonly problems: readonly string[];
}

/** At most so often. */
const SAMPLE_EVERY_MS = 2000;
/** A turn that does not end within this time has hung. */
const TURN_MAX_MS = 30_000;
/** How long the agent may take to let go of everything when all clients have left. */
const LET_GO_MAX_MS = 15_000;
/** So many failures say enough. */
const FAILURES_MAX = 20;
/** Of scenarios that send what is no message. */
const EXPECTED = new Set(["MALFORMED_MESSAGE"]);

export async function soak({ warmUpSeconds, seconds, limits, scenarios, onProgress = () => undefined }: SoakOptions): Promise<SoakResult> {
  await using folder = await PeerFolder.make();
  await using pod = await Pod.start();
  await manyPorts(pod);
  await using http2 = await serveHttp2(pod);
  void http2;
  await using agent = await AgentProcess.start(pod, {
    options: ["-t", "60", "--metrics", `0.0.0.0:${METRICS_PORT}`],
    // It stays while everybody is gone.
    env: { MIRRORD_AGENT_IDLE_TTL: "600" },
  });
  const tree = new ProcessTree(await agent.pid());
  const samples: SoakSample[] = [];
  const turns: Record<string, number> = Object.fromEntries(scenarios.map(({ name }) => [name, 0]));
  const failures: string[] = [];
  const startedAt = performance.now();
  let failuresTold = 0;

  const phase = async (name: string, phaseSeconds: number): Promise<RestingState> => {
    const over = new AbortController();
    const world: World = { pod, agent, folder: folder.path, signal: over.signal };
    const loops = scenarios.flatMap((scenario) =>
      Array.from({ length: scenario.loops }, () => repeatTurns(scenario, world, turns, failures)),
    );
    try {
      const phaseEndMs = performance.now() + phaseSeconds * 1000;
      while (performance.now() < phaseEndMs) {
        await sleep(Math.min(SAMPLE_EVERY_MS, Math.max(0, phaseEndMs - performance.now())));
        const { residentMiB, proportionalMiB, descriptors: open } = await agentState(pod, tree);
        const descriptors = open.length;
        const atSeconds = Math.round((performance.now() - startedAt) / 1000);
        samples.push({ atSeconds, residentMiB, proportionalMiB, descriptors });
        onProgress(`${name}, ${atSeconds} s: ${residentMiB.toFixed(1)} MiB resident, ${descriptors} descriptors`);
        for (const failure of failures.slice(failuresTold)) onProgress(failure);
        failuresTold = failures.length;
      }
    } finally {
      // Also when the agent is gone.
      over.abort();
      await Promise.all(loops);
    }
    return await restingState(pod, tree, LET_GO_MAX_MS);
  };

  let warm: RestingState | null = null;
  let end: RestingState | null = null;
  try {
    warm = await phase("warming up", warmUpSeconds);
    end = await phase("soaking", seconds);
  } catch (error) {
    // Without the agent there is nothing to look at.
    failures.push(`the agent could not be looked at: ${String(error)} ${agent.errors}`);
  }
  const complaints = agent.log
    .filter(({ level, fields }) => !["INFO", "DEBUG", "TRACE"].includes(level) && !EXPECTED.has(fields.code ?? ""))
    .map(({ level, fields }) => `${level} ${fields.code ?? ""} ${fields.message}`);
  const facts: SoakFacts = { warm, end, failures, complaints };
  return { ...facts, warmUpSeconds, seconds, limits, turns, samples, problems: problems(facts, limits) };
}

/**
 * Thousands of connections a second from one address use its ports again within seconds. The kernel takes a new connection for the old one of the same ports while it remembers one that
 * was reset, and does not ask where it is to be redirected: real peers have more addresses, and come less often.
 */
async function manyPorts(pod: Pod): Promise<void> {
  await promisify(execFile)("sysctl", ["-qw", "net.ipv4.ip_local_port_range=1024 65535"]);
  await pod.exec("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=1", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1");
}

/** One loop of a scenario. Never rejects: what goes wrong is noted. */
async function repeatTurns(scenario: Scenario, world: World, turns: Record<string, number>, failures: string[]): Promise<void> {
  while (!world.signal.aborted) {
    const number = (turns[scenario.name] = (turns[scenario.name] ?? 0) + 1);
    const finished = new AbortController();
    const hung = sleep(TURN_MAX_MS, undefined, { signal: finished.signal }).then(() => {
      throw new Error(`a turn did not end within ${TURN_MAX_MS} ms`);
    });
    // Aborted when the turn has ended in time.
    hung.catch(() => undefined);
    try {
      await Promise.race([scenario.turn(world, number), hung]);
    } catch (error) {
      if (failures.length < FAILURES_MAX)
        failures.push(`${scenario.name}, turn ${number}: ${error instanceof Error ? error.message : String(error)}`);
    }
    finished.abort();
    await sleep(scenario.restMs, undefined, { signal: world.signal }).catch(() => undefined);
  }
}
