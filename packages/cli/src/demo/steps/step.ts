// What a step of the demo is: one thing to see, which needs nothing of the other steps.

import type { StepName } from "../stepNames.ts";
import type { Stage } from "../stage.ts";

export interface DemoStep {
  readonly name: StepName;
  /** What is seen, in a line. */
  readonly title: string;
  /** Does what the title says and prints it; leaves the shop as it was. Rejects when something is not as promised, or with the reason of the stage's signal. */
  readonly show: (stage: Stage) => Promise<void>;
}
