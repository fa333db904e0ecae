// Why traffic cannot be redirected.

/**
 * - `unavailable`: `nft` cannot be started, or the kernel or the agent's rights do not allow the table;
 * - `taken`: another agent holds the table in this namespace;
 * - `refused`: the kernel refused this one change;
 * - `lost`: the rules were lost and could not be loaded again;
 * - `closed`: the redirector was disposed of;
 * - `forbidden`: the agent was started without the rights, which the admin was told then.
 */
export type RedirectProblem = "forbidden" | "unavailable" | "taken" | "refused" | "lost" | "closed";

/** A port was not redirected, or is no longer. Nothing else is concerned, and a later try may succeed. */
export class RedirectError extends Error {
  override readonly name = "RedirectError";
  readonly problem: RedirectProblem;

  constructor(problem: RedirectProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}
