// Which program is the agent: the one that was named, or the one of this repository.

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";

/** The repository's, from the sources of this package as from what is built of them. */
export const ownAgent: string = join(import.meta.dirname, "../../../../../bin/mirrord-agent");

/** @throws Error that says what to do when it cannot be run. */
export async function findAgentBinary(named: string | null): Promise<string> {
  const file = named ?? ownAgent;
  try {
    await access(file, constants.X_OK);
    return file;
  } catch (error) {
    const what =
      named === null ? "run make build, or name another with --agent-binary FILE or UNDERSTUDY_AGENT" : "is it there, and executable?";
    throw new Error(`the agent's program ${file} cannot be run: ${what}`, { cause: error });
  }
}
