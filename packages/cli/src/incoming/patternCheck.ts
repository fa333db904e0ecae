// Finds what is certainly wrong with a regular expression before an agent is asked. Agents read Rust's syntax, which this machine has no
// reader for: what JavaScript refuses is reported only where the two cannot differ; everything else is left to the agent.

/** Returns the pattern. @throws Error that says what is wrong. */
export function checkedPattern(pattern: string): string {
  if (hasOwnSyntax(pattern)) return pattern;
  try {
    RegExp(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message : "";
    const certain = /Unterminated group|Unmatched '\)'|Unterminated character class|\\ at end of pattern/.exec(reason);
    if (certain !== null) throw new Error(`It is no regular expression: ${certain[0].toLowerCase()}.`, { cause: error });
  }
  return pattern;
}

/** Groups with flags or names, and classes that JavaScript cuts at another place. */
function hasOwnSyntax(pattern: string): boolean {
  return /\(\?(?![:=!]|<[=!])|\[\^?\]|\[[^\]]*\[/.test(pattern);
}
