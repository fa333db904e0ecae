// Looks for a service mesh in the target's namespace, in each family and in the rules of both backends of iptables. It only reads.

import type { Log } from "../../log/log.ts";
import { type FamilyPlan, isMeshLine, planFor, planForIstioCni, planWithoutMesh } from "./meshPlan.ts";
import { type Backend, type Family, backends, readRules } from "./xtables.ts";

/** What was found for one family. */
export interface DetectedPlan extends FamilyPlan {
  /** The backend that has the mesh's rules; null where there is none, or nothing was looked at. */
  readonly backend: Backend | null;
}

export type DetectedPlans = Readonly<Record<Family, DetectedPlan>>;

export interface MeshDetectionOptions {
  /** Take the kind of Istio's CNI plug-in without looking. */
  readonly istioCni: boolean;
  readonly log: Log;
}

/** Never rejects: rules that cannot be read count as none. Takes some ten milliseconds, in other processes. */
export async function detectMesh({ istioCni, log }: MeshDetectionOptions): Promise<DetectedPlans> {
  if (istioCni) {
    const plan = { ...planForIstioCni, backend: null };
    return { ipv4: plan, ipv6: plan };
  }
  const [ipv4, ipv6] = await Promise.all([detect("ipv4", log), detect("ipv6", log)]);
  return { ipv4, ipv6 };
}

async function detect(family: Family, log: Log): Promise<DetectedPlan> {
  for (const backend of backends) {
    try {
      const nat = await readRules(family, backend, ["nat"], isMeshLine);
      if (planFor(nat) === null) continue;
      const plan = planFor([...nat, ...(await readRules(family, backend, ["mangle"], isMeshLine))]);
      if (plan === null) continue;
      log.debug("a service mesh was found", { family, backend, mesh: plan.mesh });
      return { ...plan, backend };
    } catch (error) {
      log.debug("rules could not be read to find a service mesh", { family, backend, error: String(error) });
    }
  }
  return { ...planWithoutMesh, backend: null };
}
