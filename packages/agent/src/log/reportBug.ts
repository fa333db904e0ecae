// How the agent's own faults are put into the log: with the place where they happened.

import type { Fields, Log } from "./log.ts";

/** Tells the admin of an exception that nobody expected. `fields` say what it concerns. */
export function reportBug(log: Log, error: unknown, fields: Fields = {}): void {
  log.event("AGENT_BUG", { ...fields, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
