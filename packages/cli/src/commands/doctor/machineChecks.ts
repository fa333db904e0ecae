// What this machine has of what an agent on it would need. It only looks.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findAgentBinary } from "../../agent/local/agentBinary.ts";
import { failureText } from "../../failureText.ts";
import { searchPath } from "../../searchPath.ts";
import type { Check } from "./check.ts";

const run = promisify(execFile);
const RUN_MAX_MS = 5_000;
const NODE_LEAST_MAJOR = 24;

/** Programs, what they are for, and the Debian packages that have them. */
const programs = [
  { name: "nft", use: "stealing and mirroring", debianPackage: "nftables" },
  { name: "setpriv", use: "starting agents", debianPackage: "util-linux" },
  { name: "ip", use: "--netns", debianPackage: "iproute2" },
] as const;

/** @param isNeeded whether an agent is to be started on this machine: what is missing is a failure only then. */
export async function machineChecks(isNeeded: boolean, binary: string | null): Promise<readonly Check[]> {
  const missing = isNeeded ? "no" : "off";
  const checks: Check[] = [nodeCheck(), platformCheck(missing), rootCheck(missing)];
  for (const { name, use, debianPackage } of programs) {
    const found = await versionOf(name);
    checks.push(
      found === null
        ? {
            name: `program ${name}`,
            state: missing,
            detail: `not found; it is for ${use}`,
            remedy: `install it (Debian package ${debianPackage})`,
          }
        : { name: `program ${name}`, state: "ok", detail: found, remedy: null },
    );
  }
  checks.push(await agentCheck(missing, binary), await rulesCheck());
  return checks;
}

function nodeCheck(): Check {
  const { node } = process.versions;
  const isEnough = Number(node.split(".")[0]) >= NODE_LEAST_MAJOR;
  return {
    name: "Node.js",
    state: isEnough ? "ok" : "no",
    detail: node,
    remedy: isEnough ? null : `use Node.js ${NODE_LEAST_MAJOR} or later`,
  };
}

function platformCheck(missing: "no" | "off"): Check {
  const { platform, arch } = process;
  const isLinux = platform === "linux";
  return {
    name: "platform",
    state: isLinux ? "ok" : missing,
    detail: `${platform} ${arch}`,
    remedy: isLinux ? null : "start agents on Linux, and name them with --agent",
  };
}

function rootCheck(missing: "no" | "off"): Check {
  const isRoot = process.getuid?.() === 0;
  return {
    name: "root",
    state: isRoot ? "ok" : missing,
    detail: isRoot ? "yes" : "no; it is for agents that are started on this machine",
    remedy: isRoot ? null : "use sudo with --netns, --pid and --docker",
  };
}

async function agentCheck(missing: "no" | "off", binary: string | null): Promise<Check> {
  try {
    const file = await findAgentBinary(binary);
    const { stdout } = await run(file, ["--version"], { timeout: RUN_MAX_MS });
    return { name: "agent program", state: "ok", detail: `${file}, ${stdout.trim()}`, remedy: null };
  } catch (error) {
    return { name: "agent program", state: missing, detail: failureText(error), remedy: "run make build, or give --agent-binary FILE" };
  }
}

/** Rules in this machine's own network mean that an agent works on one of its processes, or that one was killed. */
async function rulesCheck(): Promise<Check> {
  const name = "redirect rules";
  try {
    const { stdout } = await run("nft", ["list", "tables"], { timeout: RUN_MAX_MS, env: { PATH: searchPath } });
    const found = stdout.split("\n").filter((line) => /understudy|mirrord/i.test(line));
    const detail =
      found.length === 0
        ? "none of an agent in this machine's own network"
        : `an agent works in this machine's own network: ${found.join(", ")}`;
    return { name, state: "ok", detail, remedy: null };
  } catch (error) {
    return {
      name,
      state: "off",
      detail: `they cannot be listed: ${failureText(error).split("\n")[0] ?? ""}`,
      remedy: "use root, and install nftables",
    };
  }
}

async function versionOf(program: string): Promise<string | null> {
  try {
    const flag = program === "ip" ? "-V" : "--version";
    const { stdout } = await run(program, [flag], { timeout: RUN_MAX_MS, env: { PATH: searchPath } });
    return stdout.split("\n")[0]?.trim() ?? "";
  } catch {
    // Whatever is wrong with it, it cannot be used.
    return null;
  }
}
