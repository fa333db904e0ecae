// Every scenario of a mode against one agent, each on a connection and files of its own.

import { ClientMessage, toJson } from "@understudy/protocol";
import { isPossible, type Place, type RunningAgent } from "./agents.ts";
import { type NormalForm, normalForm } from "./normalise.ts";
import type { Peers } from "./peers.ts";
import { runScenario } from "./runner.ts";
import type { Scenario, World } from "./scenario.ts";
import { allScenarios } from "./scenarios/index.ts";
import { makeTree } from "./tree.ts";

/** The same name for every agent and run, so that lengths of paths and orders of entries do not differ. */
const TREE_NAME = "understudy-tree";

export function worldOf(place: Place, peers: Peers): World {
  return { mode: place.mode, tree: `${place.folder.seenAs}/${TREE_NAME}`, ports: peers.ports, abstractName: peers.abstractName };
}

/** The scenarios that can be run here. */
export function possibleScenarios(world: World): readonly Scenario[] {
  return allScenarios(world).filter(({ needs }) => isPossible(needs));
}

export async function exchange(
  agent: RunningAgent,
  scenario: Scenario,
  place: Place,
  world: World,
  isPortable: boolean,
): Promise<NormalForm> {
  // Making it takes longer than most scenarios do.
  await using _tree = asksForTree(scenario, world) ? await makeTree(`${place.folder.path}/${TREE_NAME}`, world.tree) : null;
  return normalForm(scenario, await runScenario(agent.port, scenario), world, isPortable);
}

function asksForTree({ steps }: Scenario, { tree }: World): boolean {
  return steps.some(({ send }) => send.some((message) => JSON.stringify(toJson(ClientMessage, message)).includes(tree)));
}
