// How one record looks: a JSON object or a line of text, always exactly one line. Whatever a field holds, it cannot
// start a second line, move a terminal's cursor, or look like the line by which clients know that the agent is ready.

import type { Fields } from "./log.ts";
import { formatTimestamp } from "./clock.ts";

/** One record before it is written. */
export interface LogRecord {
  /** Microseconds since 1970. */
  readonly timeMicros: number;
  readonly level: "error" | "warn" | "info" | "debug" | "trace";
  /** Module name. */
  readonly target: string;
  readonly message: string;
  /** Code and remedy of an admin's event. */
  readonly code?: string;
  readonly remedy?: string | undefined;
  readonly fields?: Fields | undefined;
}

/** Turns a record into a line that ends in a newline. */
export type Format = (record: LogRecord) => string;

/** Longest text a field may hold, in UTF-16 units; what is over it is cut and counted. */
const fieldMaxLength = 2048;

/** Most fields of a record that are written. */
const fieldsMaxCount = 32;

/** One JSON object a line: `timestamp`, `level`, `fields` (with `message`), `target`. */
export const formatJson: Format = (record) => {
  const parts = entries(record).map(([key, value]) => `${quote(key)}:${typeof value === "string" ? quote(value) : value}`);
  const fields = [`"message":${quote(record.message)}`, ...parts].join(",");
  const level = record.level.toUpperCase();
  const line = `{"timestamp":"${formatTimestamp(record.timeMicros)}","level":"${level}","fields":{${fields}},"target":${quote(record.target)}}`;
  return `${disarm(line)}\n`;
};

/** `time LEVEL target message key=value …`; values that are not plain words are quoted as in JSON. */
export function textFormat(options: { readonly isColored: boolean }): Format {
  return (record) => {
    const parts = entries(record).map(([key, value]) => ` ${word(key)}=${typeof value === "string" ? word(value) : value}`);
    const level = record.level.toUpperCase().padEnd(5);
    const paintedLevel = options.isColored ? `\u001b[${colors[record.level]}m${level}\u001b[0m` : level;
    const message = quote(record.message).slice(1, -1);
    const line = `${formatTimestamp(record.timeMicros)} ${paintedLevel} ${record.target} ${message}${parts.join("")}`;
    return `${disarm(line)}\n`;
  };
}

const colors = { error: 31, warn: 33, info: 32, debug: 34, trace: 35 } as const;

/** Names that a record sets itself; a field may not replace them. */
const ownNames: ReadonlySet<string> = new Set(["message", "code", "remedy"]);

function entries(record: LogRecord): [string, string | number | boolean | bigint][] {
  const found: [string, string | number | boolean | bigint][] = [];
  if (record.code !== undefined) found.push(["code", record.code]);
  for (const [key, value] of Object.entries(record.fields ?? {})) {
    if (value === undefined || ownNames.has(key)) continue;
    if (found.length >= fieldsMaxCount) break;
    if (typeof value === "string") found.push([key, clip(value)]);
    else found.push([key, typeof value === "number" && !Number.isFinite(value) ? String(value) : value]);
  }
  if (record.remedy !== undefined) found.push(["remedy", record.remedy]);
  return found;
}

function clip(text: string): string {
  if (text.length <= fieldMaxLength) return text;
  return `${text.slice(0, fieldMaxLength)}… (${text.length - fieldMaxLength} more)`;
}

/** JSON text without characters that a terminal or a line reader could act on. */
function quote(text: string): string {
  return JSON.stringify(text).replace(unsafe, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** What JSON leaves as it is: DEL and C1 controls, line and paragraph separators, marks that change writing direction. */
const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function word(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : quote(text);
}

/** Clients search every line of the log for "agent ready"; only the line that means it may hold it. */
function disarm(line: string): string {
  return line.includes("agent ready") ? line.replaceAll("agent ready", "agent-ready") : line;
}

/** The format that fits where the log goes: JSON where it was asked for, else text; in colour for a person, unless `NO_COLOR` is set. */
export function chooseFormat(options: { readonly isJson: boolean; readonly isTerminal: boolean; readonly env: NodeJS.ProcessEnv }): Format {
  if (options.isJson) return formatJson;
  const isColorRefused = (options.env["NO_COLOR"] ?? "") !== "";
  return textFormat({ isColored: options.isTerminal && !isColorRefused });
}
