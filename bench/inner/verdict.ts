// Decides whether a piece has become dearer, from samples of both versions.

import { median } from "../statistics.ts";

/** Dearer by more than this part is a regression. */
export const TOLERANCE = 0.1;

/** All samples of a piece, processor time of one operation. */
export interface Samples {
  readonly base: readonly number[];
  readonly ours: readonly number[];
}

/** Ours to base: of the least that each ever took, which noise cannot make smaller, and of the medians. */
export function ratios({ base, ours }: Samples): { readonly least: number; readonly middle: number } {
  return { least: Math.min(...ours) / Math.min(...base), middle: median(ours) / median(base) };
}

/** Both must say so: one alone is noise. False where a version has no samples. */
export function isDearer(samples: Samples): boolean {
  if (samples.base.length === 0 || samples.ours.length === 0) return false;
  const { least, middle } = ratios(samples);
  return least > 1 + TOLERANCE && middle > 1 + TOLERANCE;
}
