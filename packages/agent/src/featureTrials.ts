// What is tried at the start although nobody has asked for it yet, so that the admin hears at once what will be refused. Nothing stays of it.

import { setTimeout as sleep } from "node:timers/promises";
import { resolverFiles } from "./dns/resolver.ts";
import { canOwnTable } from "./incoming/redirect/redirectTrial.ts";
import type { TargetFiles } from "./incoming/tls/trustRoots.ts";
import { type CapabilityReport, isForbidden } from "./namespace/capabilityReport.ts";
import { heldRights } from "./namespace/rights.ts";
import type { Settings } from "./settings.ts";

/** Time for the target's resolver files, in ms: somebody may wait for a dead file system later, but not the start. */
const FILES_MS = 500;

/** Tries whether traffic could be redirected. Resolves to why every subscription is refused from the start, or null. */
export async function tryRedirecting({ redirect, nftables }: Settings, report: CapabilityReport): Promise<string | null> {
  try {
    const isTable = await canOwnTable(redirect, nftables);
    if (!heldRights().has("NET_ADMIN")) throw Object.assign(new Error("iptables takes NET_ADMIN"), { code: "EPERM" });
    report.works("redirect", isTable ? "an nftables table" : "iptables, which is tried with the first port");
    return null;
  } catch (error) {
    report.refused("redirect", error);
    // Rights do not come later; everything else may.
    return isForbidden(error) ? report.refusal("redirect") : null;
  }
}

/** Tries whether the files can be read that say how the target looks names up. */
export async function tryNames(files: TargetFiles, report: CapabilityReport): Promise<void> {
  if (report.refusal("names") !== null) return;
  const inTime = new AbortController();
  const limit = sleep(FILES_MS, "late" as const, { signal: inTime.signal }).catch(() => "late" as const);
  try {
    const outcome = await Promise.race([Promise.all(resolverFiles.map((path) => files.read(path, 1))), limit]);
    if (outcome === "late") report.absent("names", `the target's files are not read within ${FILES_MS} ms`);
  } catch (error) {
    if (isForbidden(error)) report.refused("names", error);
    // The admin hears of it when somebody asks for a name.
    else report.absent("names", error instanceof Error ? error.message : String(error));
  } finally {
    inTime.abort();
  }
}
