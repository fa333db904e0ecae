// Versions and their order, by Semantic Versioning 2.0.0, with the two additions that the protocol's peers agree on:
// build metadata counts last instead of not at all, and a requirement never matches a pre-release.

/** A parsed version. Numbers are bigints since each may use 64 bits. */
export interface Version {
  readonly major: bigint;
  readonly minor: bigint;
  readonly patch: bigint;
  readonly prerelease: readonly string[];
  readonly build: string;
}

/** Longest text accepted; peers have no bound, but real versions are short, and matching a long text costs time and stack. */
const MAX_VERSION_LENGTH = 4096;

const number = String.raw`(0|[1-9]\d{0,19})`;
const prereleasePart = String.raw`(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)`;
const grammar = new RegExp(
  String.raw`^${number}\.${number}\.${number}(?:-(${prereleasePart}(?:\.${prereleasePart})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$`,
);
const limit = 1n << 64n;

/** Null when `text` is no semantic version, one of its numbers needs more than 64 bits, or it is longer than 4096 characters. */
export function parseVersion(text: string): Version | null {
  const match = text.length > MAX_VERSION_LENGTH ? null : grammar.exec(text);
  if (match === null) return null;
  const [major, minor, patch] = [BigInt(match[1]!), BigInt(match[2]!), BigInt(match[3]!)];
  if (major >= limit || minor >= limit || patch >= limit) return null;
  return { major, minor, patch, prerelease: match[4]?.split(".") ?? [], build: match[5] ?? "" };
}

/** What is wrong with a version text; null when nothing is. */
export function versionProblem(text: string): string | null {
  return parseVersion(text) === null ? `not a semantic version: ${JSON.stringify(text.slice(0, 100))}` : null;
}

/** Negative when `a` is lower than `b`, positive when it is higher, 0 only for equal texts. */
export function compareVersions(a: Version, b: Version): number {
  return compareRelease(a, b) || comparePrerelease(a.prerelease, b.prerelease) || compareBuild(a.build, b.build);
}

/** Whether `version` is at least `release` (major, minor, patch). A pre-release never is. */
export function isAtLeast(version: Version, release: Version): boolean {
  return version.prerelease.length === 0 && compareRelease(version, release) >= 0;
}

function compareRelease(a: Version, b: Version): number {
  return order(a.major, b.major) || order(a.minor, b.minor) || order(a.patch, b.patch);
}

function order<T extends bigint | number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function comparePrerelease(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return order(b.length, a.length);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const step = compareIdentifiers(a[i]!, b[i]!);
    if (step !== 0) return step;
  }
  return order(a.length, b.length);
}

/** Parts in turn as in a pre-release; leading zeros, which are legal here, count last. */
function compareBuild(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const step = compareIdentifiers(left[i]!, right[i]!);
    if (step !== 0) return step;
  }
  return order(left.length, right.length);
}

/** Numbers below texts; numbers by value, then by leading zeros; texts by their characters. */
function compareIdentifiers(a: string, b: string): number {
  const [isNumberA, isNumberB] = [/^\d*$/.test(a), /^\d*$/.test(b)];
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1;
  if (!isNumberA) return order(a, b);
  const [plainA, plainB] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return order(plainA.length, plainB.length) || order(plainA, plainB) || order(a.length, b.length);
}
