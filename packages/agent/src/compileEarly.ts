// When V8 compiles what is called often. It waits for 3,000 calls before it optimises a function in full, for the sake of pages that call much once and little often. An agent's work is a few
// hundred functions, called for every message as long as it runs: what they cost until then is what its first clients notice. Sources: `node --v8-options`, and
// docs/decisions/027-early-compilation.md for what was measured.

/** Of V8: each is one flag. */
const flags = [
  // The compiler between the quick one and the full one makes code that the full one replaces soon after, in as much memory again.
  "--no-maglev",
  "--invocation-count-for-turbofan=300",
  // Calls without news about the types that a function meets, before it counts as known.
  "--minimum-invocations-after-ic-update=100",
];

/** For all of the process, from now on. Once it is ready: what is called often during the start is seldom called afterwards. */
export async function compileEarly(): Promise<void> {
  // 2 ms to load, which the start need not wait for.
  const { setFlagsFromString } = await import("node:v8");
  for (const flag of flags) setFlagsFromString(flag);
}
