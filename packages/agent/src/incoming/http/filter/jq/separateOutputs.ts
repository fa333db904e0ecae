// Lets a jq program go on with its next output after an error, as jaq does, where jq would end: each part between the commas and pipes that are outside of all brackets gets
// a `try` of its own. It does not parse jq: what it is not sure of stays as it is, as do generators inside of parts.

/** A definition that the separated program needs. In jq before 1.7, `try` also catches how those who read its outputs say that they want no more: that must go on. */
export const skipDefinition = 'def _skip: if type == "object" and has("__jq") then error(.) else empty end;';

/** Each part makes the program longer. One of more parts stays as it is. */
const MAX_PARTS = 64;

/** What opens, and what closes it. Between the two nothing is separated. */
const CLOSING: ReadonlyMap<string, string> = new Map([
  ["(", ")"],
  ["[", "]"],
  ["{", "}"],
  ["if", "end"],
]);

/** Words that bind what follows them to the end, pipes and commas included. */
const BINDING = new Set(["as", "def", "foreach", "label", "reduce"]);

/** Names and fields with what belongs to them, whole operators that contain a separator, or one character. */
const TOKEN = /[.$@]?[A-Za-z_]\w*(?:::\w+)*|\?\/\/|\|=|[^]/gy;

/** A program that compiles by itself. Returns one that means the same, but for errors. */
export function separateOutputs(program: string): string {
  const parts = split(program);
  if (parts === null || parts.length === 1 || parts.length > MAX_PARTS) return program;
  return parts.map(({ text, separator }) => `(try (${text}) catch _skip)${separator}`).join(" ");
}

interface Part {
  readonly text: string;
  readonly separator: "," | "|" | "";
}

/** The parts of a program; null where they are not certain. */
function split(program: string): Part[] | null {
  const parts: Part[] = [];
  let partStart = 0;
  /** What closes the brackets and `if`s that are open. */
  const closing: string[] = [];
  let at = 0;
  while (at < program.length) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(program)?.[0] ?? "";
    // Comments end with a line, and in some versions go on with the next.
    if (token === "#") return null;
    if (token === '"') {
      const end = stringEnd(program, at);
      if (end === null) return null;
      at = end;
      continue;
    }
    at += token.length;
    const closes = CLOSING.get(token);
    if (closes !== undefined) closing.push(closes);
    else if (token === closing.at(-1)) closing.pop();
    // A key of an object may be called `end`, and then no `end` is what it seems.
    else if (")]}".includes(token) || token === "end") return null;
    else if (closing.length > 0) continue;
    else if (token === ";" || token === "?//") return null;
    else if (BINDING.has(token)) break;
    else if (token === "," || token === "|") {
      parts.push({ text: program.slice(partStart, at - 1), separator: token });
      partStart = at;
    }
  }
  parts.push({ text: program.slice(partStart), separator: "" });
  return parts;
}

/** Where the string that begins at `start` ends; null where something is put into it. */
function stringEnd(program: string, start: number): number | null {
  for (let at = start + 1; at < program.length; at++) {
    if (program[at] === '"') return at + 1;
    if (program[at] !== "\\") continue;
    at += 1;
    if (program[at] === "(") return null;
  }
  return null;
}
