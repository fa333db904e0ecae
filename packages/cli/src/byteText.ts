// Amounts of bytes for people.

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1.5 MiB`; bytes alone without a fraction. */
export function byteText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return power === 0 ? `${Math.round(bytes)} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}
