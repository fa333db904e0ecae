// All scenarios of a mode.

import type { Scenario, World } from "../scenario.ts";
import { contentsScenarios } from "./contents.ts";
import { controlScenarios } from "./control.ts";
import { directoryScenarios } from "./directories.ts";
import { nameScenarios } from "./names.ts";
import { namingScenarios } from "./naming.ts";
import { openingScenarios } from "./opening.ts";
import { outgoingScenarios } from "./outgoing.ts";
import { statusScenarios } from "./status.ts";

export function allScenarios(world: World): readonly Scenario[] {
  return [
    ...controlScenarios(world.mode),
    ...openingScenarios(world),
    ...contentsScenarios(world),
    ...statusScenarios(world),
    ...namingScenarios(world),
    ...directoryScenarios(world),
    ...nameScenarios(world.mode),
    ...outgoingScenarios(world),
  ];
}
