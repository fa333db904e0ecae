// The steps of the demo by name, and reading names from the command line. The steps themselves are elsewhere: help and completion need only this.

import { nearest } from "../nearest.ts";

/** In the order of the tour. */
export const stepNames = ["steal", "mirror", "tcp", "look", "forward", "exec", "reconnect"] as const;
export type StepName = (typeof stepNames)[number];

/** @throws Error that says which ones there are. */
export function parseStepName(text: string): StepName {
  const name = stepNames.find((known) => known === text);
  if (name !== undefined) return name;
  const meant = nearest(text, stepNames);
  throw new Error(`${meant === undefined ? "" : `Did you mean ${meant}? `}The steps are ${stepNames.join(", ")}.`);
}
