// Patterns of names as shells have them: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before what is to be itself.

interface Step {
  readonly isStar: boolean;
  readonly matches: (character: string) => boolean;
}

/** @throws Error when a bracket is not closed. */
export function nameGlob(pattern: string): (name: string) => boolean {
  const steps = stepsOf([...pattern]);
  return (name) => matches(steps, [...name]);
}

/** The last star takes one more character whenever the rest does not fit: the work is at most the product of both lengths. */
function matches(steps: readonly Step[], name: readonly string[]): boolean {
  let step = 0;
  let at = 0;
  let star: { readonly step: number; at: number } | null = null;
  while (at < name.length) {
    const current = steps[step];
    if (current?.isStar === true) {
      step += 1;
      star = { step, at };
    } else if (current?.matches(name[at] ?? "") === true) {
      step += 1;
      at += 1;
    } else if (star !== null) {
      star.at += 1;
      step = star.step;
      at = star.at;
    } else {
      return false;
    }
  }
  return steps.slice(step).every(({ isStar }) => isStar);
}

function stepsOf(pattern: readonly string[]): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] ?? "";
    if (character === "*") steps.push({ isStar: true, matches: () => true });
    else if (character === "?") steps.push({ isStar: false, matches: () => true });
    else if (character === "[") {
      const isNegated = pattern[i + 1] === "!" || pattern[i + 1] === "^";
      const first = i + (isNegated ? 2 : 1);
      // A closing bracket that comes first is one of the set.
      const end = pattern.indexOf("]", first + 1);
      if (end < 0) throw new Error("a [ in the pattern is not closed");
      const isInSet = setOf(pattern.slice(first, end));
      steps.push({ isStar: false, matches: (one) => isInSet(one) !== isNegated });
      i = end;
    } else {
      const literal = character === "\\" ? (pattern[++i] ?? "\\") : character;
      steps.push({ isStar: false, matches: (one) => one === literal });
    }
  }
  return steps;
}

function setOf(members: readonly string[]): (character: string) => boolean {
  const ranges: (readonly [string, string])[] = [];
  for (let i = 0; i < members.length; i++) {
    const from = members[i] ?? "";
    const isRange = members[i + 1] === "-" && i + 2 < members.length;
    ranges.push([from, isRange ? (members[i + 2] ?? from) : from]);
    if (isRange) i += 2;
  }
  return (character) => ranges.some(([from, to]) => from <= character && character <= to);
}
