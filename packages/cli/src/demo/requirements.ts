// What the demo needs of the machine it runs on. It only looks; nothing is made here.

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { ownAgent } from "../agent/local/agentBinary.ts";
import { searchPath } from "../searchPath.ts";

/** Programs, and the Debian packages that have them. */
const tools: Readonly<Record<string, string>> = {
  ip: "iproute2",
  nft: "nftables",
  unshare: "util-linux",
  nsenter: "util-linux",
  mount: "mount",
};

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly isRoot: boolean;
  /** Directories of programs, as in `PATH`. */
  readonly path: string;
}

const thisMachine: Machine = { platform: process.platform, isRoot: process.getuid?.() === 0, path: searchPath };

/** Sentences for the user about what is missing; empty when the demo can run. */
export async function missingRequirements({ platform, isRoot, path }: Machine = thisMachine): Promise<readonly string[]> {
  if (platform !== "linux") {
    return [`the demo is made of Linux namespaces and this is ${platform}: run it on Linux, a virtual machine will do`];
  }
  const missing: string[] = [];
  if (!isRoot) missing.push("the demo needs root, for namespaces and a network of its own: run it with sudo (it removes all it makes)");
  for (const [tool, debianPackage] of Object.entries(tools)) {
    if (!(await isOnPath(tool, path))) missing.push(`the demo needs the program ${tool} (Debian package ${debianPackage})`);
  }
  if (!(await isExecutable(ownAgent))) missing.push(`the agent is missing, ${ownAgent}: run make build`);
  return missing;
}

async function isOnPath(tool: string, path: string): Promise<boolean> {
  for (const directory of path.split(delimiter)) {
    if (await isExecutable(join(directory, tool))) return true;
  }
  return false;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
