// What the runner hands to a measuring process, and what comes back: JSON, one argument there, one line of standard output back.

import type { Figure } from "./work.ts";

export interface MeasuringTask {
  readonly work: string;
  /** Command line of another agent, with `{port}`; null is this repository's. */
  readonly command: string | null;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

export type MeasuringResult =
  | { readonly kind: "figures"; readonly figures: readonly Figure[] }
  | { readonly kind: "failed"; readonly reason: string };
