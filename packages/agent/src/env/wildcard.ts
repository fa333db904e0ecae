// Patterns for names of variables: "*" stands for any run of characters, "?" for exactly one; everything is compared with case,
// against the whole name. There are no escapes. A match takes at most (length of name) x (length of pattern) steps.

/** True where `pattern` is more than plain text. */
export function isWildcard(pattern: string): boolean {
  return pattern.includes("*") || pattern.includes("?");
}

/** A pattern made ready. Characters are Unicode code points. */
export class Wildcard {
  readonly #points: readonly string[];
  /** Characters that a name must have at least. */
  readonly #leastLength: number;

  constructor(pattern: string) {
    // Runs of stars mean the same as one.
    this.#points = [...pattern.replaceAll(/\*{2,}/g, "*")];
    this.#leastLength = this.#points.filter((point) => point !== "*").length;
  }

  /** Whether the whole of `name`, a list of code points, fits; and how many steps it took to say so. */
  match(name: readonly string[]): { isMatch: boolean; steps: number } {
    if (name.length < this.#leastLength) return { isMatch: false, steps: 1 };
    const pattern = this.#points;
    let steps = 1;
    let at = 0;
    let next = 0;
    // Where to go on when the text after the last star does not fit: that star takes one more character. Earlier stars need
    // no second look, because the last one can take whatever they could have.
    let star = -1;
    let taken = 0;
    while (at < name.length) {
      steps++;
      if (pattern[next] === "*") {
        star = next++;
        taken = at;
      } else if (pattern[next] === "?" || (next < pattern.length && pattern[next] === name[at])) {
        at++;
        next++;
      } else if (star !== -1) {
        next = star + 1;
        at = ++taken;
      } else {
        return { isMatch: false, steps };
      }
    }
    if (pattern[next] === "*") next++;
    return { isMatch: next === pattern.length, steps };
  }
}
