// Which service mesh redirects traffic in the target's namespace, told from its iptables rules, and what that means for ours. Pure: it reads
// rules as `iptables-save` prints them and runs nothing.

/** `istioCni` is never found in rules, it is a setting. `ambient` is Istio without sidecars. */
export type MeshKind = "none" | "linkerd" | "istio" | "kuma" | "istioCni" | "ambient";

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** How traffic of one family is taken. */
export interface FamilyPlan {
  readonly mesh: MeshKind;
  /**
   * What is taken where it enters the pod. With a sidecar, that is only what the sidecar leaves alone: all else is taken on its way from the
   * sidecar to the app, where it has been decrypted.
   */
  readonly fromOutside: "everything" | readonly PortRange[];
  /** Whether our rules for connections made inside the pod go before the mesh's. */
  readonly isBeforeMesh: boolean;
}

export const planWithoutMesh: FamilyPlan = { mesh: "none", fromOutside: "everything", isBeforeMesh: false };
export const planForIstioCni: FamilyPlan = { mesh: "istioCni", fromOutside: [], isBeforeMesh: false };

interface Mesh {
  readonly kind: "linkerd" | "istio" | "kuma";
  /** Where its rules for connections made inside the pod are. */
  readonly outputChain: string;
  /** Where its rules for connections from outside are. */
  readonly inboundChain: string;
}

const meshes: readonly Mesh[] = [
  { kind: "linkerd", outputChain: "PROXY_INIT_OUTPUT", inboundChain: "PROXY_INIT_REDIRECT" },
  { kind: "istio", outputChain: "ISTIO_OUTPUT", inboundChain: "ISTIO_INBOUND" },
  { kind: "kuma", outputChain: "KUMA_MESH_OUTBOUND", inboundChain: "KUMA_MESH_INBOUND" },
];

/** Whether a line of `iptables-save` is worth keeping for {@link planFor}. */
export function isMeshLine(line: string): boolean {
  return /^(\*|-A (OUTPUT|PROXY_INIT_REDIRECT|ISTIO_INBOUND|KUMA_MESH_INBOUND) )/.test(line);
}

/** @param lines tables `nat` and, if there is one, `mangle`, each after the line that names it. Null: there is no mesh in them. */
export function planFor(lines: readonly string[]): FamilyPlan | null {
  const nat = tableLines(lines, "nat");
  const jumps = nat.filter((line) => line.startsWith("-A OUTPUT ")).map(jumpOf);
  const found = jumps.map((chain) => meshes.find(({ outputChain }) => outputChain === chain)).find((mesh) => mesh !== undefined);
  if (found === undefined) return null;
  const { kind, inboundChain } = found;
  const mangle = tableLines(lines, "mangle");
  const isAmbient = kind === "istio" && mangle.some((line) => line.startsWith("-A OUTPUT ") && jumpOf(line) === "ISTIO_OUTPUT");
  if (isAmbient) return { mesh: "ambient", fromOutside: "everything", isBeforeMesh: true };
  const inbound = (table: readonly string[]): readonly string[] => table.filter((line) => line.startsWith(`-A ${inboundChain} `));
  const translating = inbound(nat);
  // A sidecar that takes connections without translating them (TPROXY) would not have them before us.
  const fromOutside = translating.length === 0 && inbound(mangle).length > 0 ? returnedPorts(inbound(mangle)) : leftBySidecar(translating);
  return { mesh: kind, fromOutside, isBeforeMesh: false };
}

/** What a sidecar that translates connections leaves to us. */
function leftBySidecar(inbound: readonly string[]): FamilyPlan["fromOutside"] {
  // One that takes only some ports leaves all others, and what it takes it has before us.
  const takesListedPorts = inbound.some((line) => portsOf(line) !== null && jumpOf(line) !== "RETURN");
  const returned = returnedPorts(inbound);
  return takesListedPorts || returned.length === 0 ? "everything" : returned;
}

function returnedPorts(inbound: readonly string[]): PortRange[] {
  const returning = inbound.filter((line) => jumpOf(line) === "RETURN");
  return mergeRanges(returning.flatMap((line) => portsOf(line) ?? []));
}

/** Destination ports that a rule is for; null when it names none. */
function portsOf(line: string): PortRange[] | null {
  const ports = / (! )?--dports? ([\d:,]+)/.exec(line);
  return ports?.[1] === undefined && ports?.[2] !== undefined ? ports[2].split(",").map(portRange) : null;
}

function jumpOf(line: string): string | undefined {
  return /(?: -[jg] )(\S+)/.exec(line)?.[1];
}

function tableLines(lines: readonly string[], table: string): readonly string[] {
  const start = lines.indexOf(`*${table}`);
  if (start < 0) return [];
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith("*"));
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
}

function portRange(text: string): PortRange {
  const [first = "", last = first] = text.split(":");
  return { first: first === "" ? 0 : Number(first), last: last === "" ? 65_535 : Number(last) };
}

/** In order, without overlaps. */
function mergeRanges(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before === undefined || range.first > before.last + 1) merged.push(range);
    else merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return merged;
}

/** Whether a plan takes a port from outside. */
export function takesFromOutside({ fromOutside }: FamilyPlan, port: number): boolean {
  return fromOutside === "everything" || fromOutside.some(({ first, last }) => first <= port && port <= last);
}
