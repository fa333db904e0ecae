// Environment variables as text that other programs read, each exactly as it is or not at all: values and names are the target's, and must not
// become anything else in a shell that reads them.

export const envFormats = ["dotenv", "json", "shell"] as const;
export type EnvFormat = (typeof envFormats)[number];

/** A line, which may hold line ends; null when the format cannot hold the variable. */
export type FormatVariable = (name: string, value: string) => string | null;

/** A name as POSIX shells take it. */
const shellName = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Bash refuses to set them, and stops reading there. */
const readOnlyInShells: ReadonlySet<string> = new Set(["BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"]);

/** For POSIX shells: between single quotes nothing is special but the quote itself. */
export function shellLine(name: string, value: string): string | null {
  if (!shellName.test(name) || readOnlyInShells.has(name) || value.includes("\0")) return null;
  return `export ${name}='${value.replaceAll("'", "'\\''")}'`;
}

/** A name that has nothing which begins a comment, a quote or a value. */
const dotenvName = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * For Node's `util.parseEnv`, and others alike. There is no escape for a quote, so the value decides which quotes it gets: single or backtick
 * take all as it is, double ones turn `\n` into a line end. Carriage returns are dropped by the reader whatever stands around them.
 */
export function dotenvLine(name: string, value: string): string | null {
  if (!dotenvName.test(name) || /[\r\0]/.test(value)) return null;
  if (/^[A-Za-z0-9_./:@%+,-]*$/.test(value) && value !== "") return `${name}=${value}`;
  if (!value.includes("'")) return `${name}='${value}'`;
  if (!value.includes('"') && !value.includes("\\n")) return `${name}="${value}"`;
  if (!value.includes("`")) return `${name}=\`${value}\``;
  // Without quotes it ends at the line's end or a `#`, and loses spaces at both ends.
  return /[\n#]/.test(value) || value.trim() !== value || /^['"`]/.test(value) ? null : `${name}=${value}`;
}
