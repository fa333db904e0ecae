// The further steps of the demo, after its pod and its agent are there.

import type { StepName } from "../stepNames.ts";
import { execStep } from "./execStep.ts";
import { forwardStep } from "./forwardStep.ts";
import { lookStep } from "./lookStep.ts";
import { mirrorStep } from "./mirrorStep.ts";
import { reconnectStep } from "./reconnectStep.ts";
import { stealStep } from "./stealStep.ts";
import type { DemoStep } from "./step.ts";
import { tcpStep } from "./tcpStep.ts";

/** In the order of the tour. */
export const steps: readonly DemoStep[] = [stealStep, mirrorStep, tcpStep, lookStep, forwardStep, execStep, reconnectStep];

/** Those with these names, each once and in the order of the tour; all of them where no name is given. */
export function stepsNamed(names: readonly StepName[]): readonly DemoStep[] {
  return names.length === 0 ? steps : steps.filter(({ name }) => names.includes(name));
}
