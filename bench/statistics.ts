// Few numbers that stand for many.

/** NaN for no values. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value that this part of all values, from 0 to 1, do not exceed (nearest rank). NaN for no values. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

/** How far apart the values are: the largest distance from the median, as a part of it. 0 for one value. */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  return middle === 0 ? 0 : Math.max(...values.map((value) => Math.abs(value - middle))) / Math.abs(middle);
}
