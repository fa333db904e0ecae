// The comparison of one mode as tests: each scenario against both agents, or against this one and the recorded answers of the reference.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { isPossible, openPlace, ourCommand, type Place, placeSkipReason, referenceCommand, type RunningAgent } from "./agents.ts";
import { divergences } from "./compare.ts";
import { covers, type Difference, differences, isOf } from "./differences.ts";
import { exchange, worldOf } from "./exchange.ts";
import { startPeers } from "./peers.ts";
import type { NormalForm } from "./normalise.ts";
import { digestOf, type Recorded, readRecorded } from "./recorded.ts";
import type { Mode, World } from "./scenario.ts";
import { allScenarios } from "./scenarios/index.ts";

interface Ready {
  readonly place: Place;
  readonly world: World;
  readonly ours: RunningAgent;
  readonly reference: RunningAgent | ReadonlyMap<string, Recorded>;
}

/** Scenarios do not depend on the world but for places and ports, so their names are known before there is one. */
function namesOnly(mode: Mode): World {
  const ports = { tcpEcho: 0, tcpGreeter: 0, tcpResetter: 0, tcpSource: 0, tcpClosed: 0, udpEcho: 0, udpClosed: 0 };
  return { mode, tree: "/tree", ports, abstractName: "name" };
}

/** @throws AssertionError when there is nothing recorded for what the scenario asks today. */
function recordedFor(name: string, our: NormalForm, all: ReadonlyMap<string, Recorded>): Recorded {
  const recorded = all.get(name);
  assert.ok(recorded?.digest === digestOf(our), "the scenario is new or has changed: run record.ts");
  return recorded;
}

/** Registers the tests of a mode. In the ephemeral mode they move this process's thread into another network. */
export function compareMode(mode: Mode): void {
  const command = referenceCommand();
  const used = new Set<Difference>();
  const run = new Set<string>();
  suite(
    `${mode}: answers as ${command === null ? "recorded from the reference" : "the reference gives them"}`,
    { skip: placeSkipReason(mode) },
    () => {
      const owned = new AsyncDisposableStack();
      let ready: Ready;
      before(async () => {
        const place = owned.use(await openPlace(mode));
        const peers = owned.use(await startPeers());
        const reference = command === null ? await readRecorded(mode) : owned.use(await place.start(command));
        ready = { place, world: worldOf(place, peers), ours: owned.use(await place.start(ourCommand)), reference };
      });
      after(() => owned.disposeAsync());

      for (const [number, { name, needs }] of allScenarios(namesOnly(mode)).entries()) {
        test(name, { skip: isPossible(needs) || process.env["CI"] !== undefined ? false : `needs ${needs}` }, async () => {
          const { place, world, ours, reference } = ready;
          const scenario = allScenarios(world)[number]!;
          const isLive = !(reference instanceof Map);
          const our = await exchange(ours, scenario, place, world, !isLive);
          const theirs = isLive
            ? await exchange(reference as RunningAgent, scenario, place, world, false)
            : recordedFor(name, our, reference);
          const unlisted = divergences(name, theirs, our).filter((divergence) => {
            const entries = differences.filter((entry) => covers(entry, mode, divergence));
            for (const entry of entries) used.add(entry);
            return entries.length === 0;
          });
          run.add(name);
          assert.deepEqual(unlisted, []);
        });
      }

      test("every listed difference is one", () => {
        const unused = differences.filter((entry) => !used.has(entry) && [...run].some((name) => isOf(entry, mode, name)));
        // An entry for both modes may be needed in one of them only.
        const unneeded = unused.filter((entry) => entry.mode !== undefined || mode === "targetless");
        assert.deepEqual(
          unneeded.map(({ scenario, why }) => `${scenario}: ${why}`),
          [],
        );
      });

      test("names of scenarios are unique", () => {
        const names = allScenarios(namesOnly(mode)).map(({ name }) => name);
        assert.equal(new Set(names).size, names.length);
      });

      test("every listed difference is about a scenario", () => {
        const modes: readonly Mode[] = ["targetless", "ephemeral"];
        const names = modes.map((one) => [one, allScenarios(namesOnly(one))] as const);
        const lost = differences.filter((entry) => !names.some(([one, scenarios]) => scenarios.some(({ name }) => isOf(entry, one, name))));
        assert.deepEqual(
          lost.map(({ scenario }) => scenario),
          [],
        );
      });
    },
  );
}
