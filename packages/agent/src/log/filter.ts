// Which records are written: levels by module name, from directives in the form of `RUST_LOG`
// ("info", "info,agent::dns=trace", "off"). Filters by span or field, which the reference also takes, do not exist here.

/** Levels from the least to the most talkative. */
export type LogLevel = "off" | "error" | "warn" | "info" | "debug" | "trace";

const ranks: Readonly<Record<LogLevel, number>> = { off: 0, error: 1, warn: 2, info: 3, debug: 4, trace: 5 };

/** Order of levels: a record is written when its rank is at most the one of its logger. */
export function levelRank(level: LogLevel): number {
  return ranks[level];
}

/** Parsed directives. */
export interface LogFilter {
  /** For modules that no directive names. */
  readonly defaultLevel: LogLevel;
  /** Directives with a module name, the longest name first. */
  readonly byTarget: readonly { readonly target: string; readonly level: LogLevel }[];
}

/** What is written when nothing is asked for: errors alone, as the reference does. */
export const errorsOnly: LogFilter = { defaultLevel: "error", byTarget: [] };

/** Most directives that are kept; the rest counts as invalid. */
const directivesMax = 64;

/**
 * Reads directives separated by commas. Never throws: what cannot be read is left out and returned in `invalid`.
 * Module names of the reference ("mirrord", "mirrord_agent::x") mean ours ("agent", "agent::x").
 */
export function parseLogFilter(text: string): { filter: LogFilter; invalid: readonly string[] } {
  const levels = new Map<string, LogLevel>();
  const invalid: string[] = [];
  let defaultLevel: LogLevel | null = null;
  for (const part of text.split(",")) {
    const directive = part.trim();
    if (directive === "") continue;
    const equals = directive.indexOf("=");
    const level = parseLevel(equals === -1 ? directive : directive.slice(equals + 1).trim());
    const target = equals === -1 ? null : ownTarget(directive.slice(0, equals).trim());
    if (levels.size >= directivesMax) {
      invalid.push(directive);
    } else if (equals === -1 && level !== null) {
      defaultLevel = level;
    } else if (equals === -1 && isOwnTarget(ownTarget(directive))) {
      // A module name alone means everything from it. Only our own names: any other word is more likely a slip.
      levels.set(ownTarget(directive), "trace");
    } else if (target !== null && level !== null && isTarget(target)) {
      levels.set(target, level);
    } else {
      invalid.push(directive);
    }
  }
  const byTarget = [...levels].map(([target, level]) => ({ target, level }));
  byTarget.sort((a, b) => b.target.length - a.target.length);
  return { filter: { defaultLevel: defaultLevel ?? "error", byTarget }, invalid };
}

/** Level of a module: the longest name that is the module's own or one above it at a "::" decides. */
export function levelFor(filter: LogFilter, target: string): LogLevel {
  for (const directive of filter.byTarget) {
    if (target === directive.target || target.startsWith(`${directive.target}::`)) return directive.level;
  }
  return filter.defaultLevel;
}

function parseLevel(text: string): LogLevel | null {
  const name = text.toLowerCase();
  if (Object.hasOwn(ranks, name)) return name as LogLevel;
  const digits: readonly LogLevel[] = ["off", "error", "warn", "info", "debug", "trace"];
  return /^[0-5]$/.test(name) ? (digits[Number(name)] ?? null) : null;
}

function ownTarget(target: string): string {
  return target.replace(/^mirrord(?:_agent)?(?=::|$)/, "agent");
}

function isOwnTarget(target: string): boolean {
  return isTarget(target) && (target === "agent" || target.startsWith("agent::"));
}

function isTarget(target: string): boolean {
  return /^[\w-]+(?:::[\w-]+)*$/.test(target);
}
