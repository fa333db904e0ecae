// Writes recorded.jsonl anew: `UNDERSTUDY_REFERENCE_AGENT=<binary> node --conditions=source test/differential/record.ts`, as root. The
// agent of this project has no part in it.

import { writeFile } from "node:fs/promises";
import { openPlace, referenceCommand } from "./agents.ts";
import { exchange, possibleScenarios, worldOf } from "./exchange.ts";
import { startPeers } from "./peers.ts";
import { digestOf, type Recorded, recordedFile } from "./recorded.ts";
import type { Mode } from "./scenario.ts";

// The ephemeral mode comes last: it moves this thread into another network.
const modes: readonly Mode[] = ["targetless", "ephemeral"];

const command = referenceCommand();
if (command === null || process.getuid?.() !== 0) throw new Error("needs UNDERSTUDY_REFERENCE_AGENT and root");
const lines: string[] = [];
for (const mode of modes) {
  await using place = await openPlace(mode);
  using peers = await startPeers();
  await using agent = await place.start(command);
  const world = worldOf(place, peers);
  for (const scenario of possibleScenarios(world)) {
    const form = await exchange(agent, scenario, place, world, true);
    const { answers, closedInStep } = form;
    const recorded: Recorded = { mode, scenario: scenario.name, digest: digestOf(form), answers, closedInStep };
    lines.push(JSON.stringify(recorded));
  }
}
await writeFile(recordedFile, `${lines.join("\n")}\n`);
