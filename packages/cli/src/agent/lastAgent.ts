// Remembers the agent that was used last, to be offered where none is named. Only the user may read it: names of targets are nobody else's business.

import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type AgentChoice, choiceOf } from "./agentChoice.ts";
import { optionsOf, sectionOf } from "./agentSection.ts";

/** Where it is (XDG Base Directory Specification: a relative XDG_STATE_HOME does not count). */
function lastAgentFile(env: NodeJS.ProcessEnv): string {
  const stated = env["XDG_STATE_HOME"];
  const home = stated?.startsWith("/") === true ? stated : join(homedir(), ".local", "state");
  return join(home, "understudy", "last-agent.json");
}

/** Null when there was none, or what is there cannot be used. */
export async function lastAgent(env: NodeJS.ProcessEnv = process.env): Promise<AgentChoice | null> {
  try {
    const { readAgentSection } = await import("../config/configFile.ts");
    return choiceOf(optionsOf(readAgentSection(JSON.parse(await readFile(lastAgentFile(env), "utf8")))));
  } catch {
    // It is only for comfort: whatever is wrong with it, the user names the agent.
    return null;
  }
}

/** Called when an agent has answered. @throws Error when it cannot be kept. */
export async function rememberAgent(choice: AgentChoice, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const file = lastAgentFile(env);
  await makeFolder(dirname(file));
  // Commands run at the same time: each writes a file of its own, and the last one's stays.
  const fresh = `${file}.${randomUUID()}`;
  try {
    await writeFile(fresh, `${JSON.stringify(sectionOf(choice))}\n`, { mode: 0o600, flag: "wx" });
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

/** With all that it is in. Not by the option of `mkdir`, which never ends where a folder exists that nothing can be made in, as in /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || path === dirname(path)) return unlessThere(error);
    await makeFolder(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch(unlessThere);
  }
}

/** Another command may have made it meanwhile. */
function unlessThere(error: unknown): void {
  if (codeOf(error) !== "EEXIST") throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}
