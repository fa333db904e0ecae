// What works with the rights that the agent was given. Whoever sets a part of the agent up tries it and says here what came of it; what others are told of it, the admin,
// clients and who asks for the report, follows from that. It tries nothing itself.

import type { Log } from "../log/log.ts";
import { decidingRights, type Right } from "./rights.ts";

interface FeatureKind {
  /** What the agent cannot do without it, in words for clients. */
  readonly cannot: string;
  /** Rights that it can take. */
  readonly takes: readonly Right[];
  /** What is lost with it. */
  readonly carries: readonly FeatureName[];
}

export type FeatureName = "files" | "environment" | "names" | "network" | "redirect" | "unixPaths" | "unixNames";

const kinds: Readonly<Record<FeatureName, FeatureKind>> = {
  /** The target's root folder. */
  files: { cannot: "reach the target's files", takes: ["SYS_PTRACE"], carries: ["names", "unixPaths"] },
  /** The variables of the target's process, beside those of its specification. */
  environment: { cannot: "read the environment of the target's process", takes: ["SYS_PTRACE"], carries: [] },
  /** Lookups: the target's hosts file and resolv.conf. */
  names: { cannot: "read how the target looks names up", takes: [], carries: [] },
  /** Connections from the target's network. */
  network: { cannot: "enter the target's network", takes: ["SYS_ADMIN", "SYS_PTRACE"], carries: ["names", "redirect", "unixNames"] },
  /** Stealing and mirroring. */
  redirect: { cannot: "redirect the target's traffic", takes: ["NET_ADMIN"], carries: [] },
  /** Unix sockets of the target by path, and by abstract name. */
  unixPaths: { cannot: "reach the target's files", takes: [], carries: [] },
  unixNames: { cannot: "enter the target's network", takes: [], carries: [] },
};

export const featureNames = Object.keys(kinds) as readonly FeatureName[];

/** What came of trying. */
export type Finding =
  | { readonly works: true; /** In which of several ways. */ readonly by: string | null }
  /** There is nothing to do it with or for, as intended. */
  | { readonly works: false; readonly because: "absent"; readonly reason: string }
  /** `missing`: rights that were not given. `text`: for clients. */
  | {
      readonly works: false;
      readonly because: "refused";
      readonly reason: string;
      readonly missing: readonly Right[];
      readonly text: string;
    };

/** Filled while the agent starts, and read from then on. */
export class CapabilityReport {
  readonly #mode: string;
  readonly #rights: ReadonlySet<Right>;
  readonly #findings = new Map<FeatureName, Finding>(featureNames.map((name) => [name, { works: true, by: null }]));

  /** `rights`: those that the agent was started with. */
  constructor(mode: string, rights: ReadonlySet<Right>) {
    this.#mode = mode;
    this.#rights = rights;
  }

  /** It works, in this of several ways. */
  works(name: FeatureName, by: string): void {
    this.#findings.set(name, { works: true, by });
  }

  /** It is not there to be used, and nobody misses it. */
  absent(name: FeatureName, reason: string): void {
    this.#findings.set(name, { works: false, because: "absent", reason });
  }

  /** It was tried and failed, and with it goes what it carries. What failed before keeps its reason. */
  refused(name: FeatureName, error: unknown): void {
    const { cannot, takes, carries } = kinds[name];
    const missing = takes.filter((right) => !this.#rights.has(right));
    const reason = reasonOf(error);
    const why = missing.length > 0 ? `its container lacks the ${capabilities(missing)}` : reason;
    const finding: Finding = { works: false, because: "refused", reason, missing, text: `the agent cannot ${cannot}: ${why}` };
    for (const lost of [name, ...carries]) {
      if (this.#findings.get(lost)?.works === true) this.#findings.set(lost, finding);
    }
  }

  /** Why clients are refused it; null where they are not. */
  refusal(name: FeatureName): string | null {
    const finding = this.#findings.get(name);
    return finding?.works === false && finding.because === "refused" ? finding.text : null;
  }

  /** Says it to the admin: what is refused as one event, otherwise how things are for who debugs. */
  tell(log: Log): void {
    const refused = [...this.#findings].flatMap(([name, finding]) =>
      !finding.works && finding.because === "refused" ? [{ name, ...finding }] : [],
    );
    const ways = [...this.#findings].flatMap(([name, finding]) =>
      finding.works && finding.by !== null ? [`${name} by ${finding.by}`] : [],
    );
    if (refused.length === 0) {
      log.debug("all that the agent is for works", { ways: ways.join(", ") });
      return;
    }
    // Also those that were not needed since others were missing before.
    const missing = decidingRights.filter(
      (right) => !this.#rights.has(right) && refused.some(({ name }) => kinds[name].takes.includes(right)),
    );
    log.event("RIGHT_MISSING", {
      missing: missing.join(", "),
      off: refused.map(({ name }) => name).join(", "),
      reasons: [...new Set(refused.map(({ reason }) => reason))].join("; "),
    });
  }

  /** For `/capabilities`. Rights are those at the start; some are given up since. */
  toJSON(): unknown {
    return {
      mode: this.#mode,
      rights: Object.fromEntries(decidingRights.map((right) => [right, this.#rights.has(right)])),
      features: Object.fromEntries(this.#findings),
    };
  }
}

/** Whether a failure is for want of rights, so that trying again is no use. */
export function isForbidden(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && (cause.code === "EPERM" || cause.code === "EACCES")) return true;
  }
  return false;
}

function reasonOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error));
  return cause === undefined ? message : `${message}: ${reasonOf(cause)}`;
}

function capabilities(missing: readonly Right[]): string {
  return `${missing.length === 1 ? "capability" : "capabilities"} ${missing.join(" and ")}`;
}
