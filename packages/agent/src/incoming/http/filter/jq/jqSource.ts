// The jq programs around a client's program: one that only has it compiled, and one that stays and answers requests.
//
// The client's text is an argument of jq, never of a shell. It is compiled by itself first, behind definitions, where `import` and
// `include` are no longer allowed: what compiles there is complete, so that nothing in it can close the parentheses it is put into
// afterwards. What it must not use is defined again in front of it, as harmless as in the reference or more so.
//
// A request is two lines of JSON: its texts as an array, then its number. jq answers `true` where the array matches, and the
// number always: an error ends one line of input, not the program, and the number tells that there is no answer.

import { separateOutputs, skipDefinition } from "./separateOutputs.ts";

/** Longest program, in bytes of UTF-8. An argument could have 128 KiB. */
export const programMaxBytes = 16 * 1024;

/** What reads or ends more than the program's own input. All on one line, so that line numbers stay the client's. */
const harmless = [
  "{} as $ENV",
  "| def env: {};",
  // The other lines of input are other requests. In the reference, there are none.
  "def inputs: empty;",
  "def input: empty;",
  "def input_filename: null;",
  "def input_line_number: 0;",
  'def halt: error("halt is not available");',
  "def halt_error: halt;",
  "def halt_error(f): halt;",
  "def debug: .;",
  "def debug(f): (f | empty), .;",
  "def stderr: .;",
  'def modulemeta: error("modules are not available");',
  "def get_search_list: [];",
].join(" ");

/** What the reference has and jq has not (in each version), or has under the same name with another meaning. */
const likeTheReference = [
  'def isboolean: type == "boolean";',
  'def isnumber: type == "number";',
  'def isstring: type == "string";',
  'def isarray: type == "array";',
  'def isobject: type == "object";',
  "def abs: if . < 0 then -. else . end;",
  String.raw`def ltrim: sub("\\A\\s+"; "");`,
  String.raw`def rtrim: sub("\\s+\\z"; "");`,
  "def trim: ltrim | rtrim;",
  "def add(f): reduce f as $x (null; . + $x);",
  "def skip($n; f): foreach f as $x ($n; . - 1; if . < 0 then $x else empty end);",
  "def repeat(f): def again: f, again; again;",
  // Only the first match unless the flags say more, and always the whole of it.
  "def scan(re; $flags): match(re; $flags) | .string;",
  'def scan(re): scan(re; "");',
  "def limit($n; f): if $n > 0 then label $done | foreach f as $x (0; . + 1; $x, if . >= $n then break $done else empty end) else empty end;",
  'def join($x): reduce .[] as $part (null; if . == null then "" else . + $x end + ($part | tostring)) // "";',
].join(" ");

const definitions = `${harmless} ${likeTheReference} ${skipDefinition} `;

/** For compiling the client's program by itself. It is not meant to be run: give it no input. */
export function checkedSource(program: string): string {
  return `${definitions}${program}`;
}

/** The program that stays. Only for a program that compiled as {@link checkedSource}. */
export function residentSource(program: string): string {
  // Two line ends: in newer versions, a backslash continues a comment on the next line.
  return `${definitions}def _client_filter: (${separateOutputs(program)}\n\n);
if type == "number" then . else first(.[] | select(first(try _client_filter catch empty | booleans))) | true end`;
}

/** One request for the resident program. `id` is a whole number from 0 to a million. */
export function requestLines(id: number, texts: readonly string[]): string {
  return texts.length === 0 ? `${id}\n` : `${JSON.stringify(texts)}\n${id}\n`;
}

const complaintMaxChars = 200;

/** What jq said about a program that does not compile, in one short line for the client. */
export function compileComplaint(said: string): string {
  // A place in the program is told once, at the end; what follows in jq's message is the program's own text.
  const match = /^jq: error: ([^\n]*?)(?: \(Unix shell quoting issues\?\))?(?: at <top-level>(?:, line (\d+))?.*)?$/m.exec(said);
  if (match === null) return "it does not compile";
  const [, text = "", line] = match;
  const plain = text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, complaintMaxChars);
  return line === undefined ? plain : `${plain} (line ${line})`;
}
