// Which agent a command works with: the options that all such commands share, and what they mean together. What is done where none is given is decided in
// `chooseAgent.ts`.

import { type Command, Option } from "commander";
import { argument } from "../arguments.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../hostPort.ts";
import { UsageError } from "../usageError.ts";

/** How an agent is found, or beside what one is to be started. */
export type AgentChoice = AddressChoice | ClusterTargetChoice | LocalTargetChoice;

export interface AddressChoice {
  readonly kind: "address";
  readonly address: HostPort;
}

/** An agent that is started in a cluster. */
export interface ClusterTargetChoice {
  readonly kind: "pod" | "deployment";
  readonly name: string;
  /** Null: the first that is not a sidecar. */
  readonly container: string | null;
  readonly cluster: ClusterChoice;
  /** The agent's container image. */
  readonly image: string;
  /** Whether it is an ephemeral container of the target's pod instead of a pod of its own. */
  readonly isEphemeral: boolean;
}

/** Null where the kubeconfig file decides. */
export interface ClusterChoice {
  readonly context: string | null;
  readonly namespace: string | null;
}

/** An agent that is started on this machine, beside a network namespace of ip-netns(8), a process or a container. */
export type LocalTargetChoice =
  | { readonly kind: "netns"; readonly name: string; readonly binary: string | null }
  | { readonly kind: "pid"; readonly pid: number; readonly binary: string | null }
  | { readonly kind: "docker"; readonly name: string; readonly binary: string | null };

/** What commander makes of the options of `addAgentOptions`. */
export interface AgentOptions extends LocalTargetOptions {
  readonly agent?: HostPort;
  readonly pod?: PodName;
  readonly deployment?: PodName;
  readonly context?: string;
  readonly namespace?: string;
  readonly agentImage?: string;
  readonly ephemeral?: boolean;
  /** Print what would be made in the cluster, and make nothing. */
  readonly dryRun?: boolean;
  /** The config file; found from the working directory upwards without it. */
  readonly config?: string;
}

/** What commander makes of the options of `addLocalTargetOptions`. */
export interface LocalTargetOptions {
  readonly netns?: string;
  readonly pid?: number;
  readonly docker?: string;
  readonly agentBinary?: string;
}

export interface PodName {
  readonly name: string;
  readonly container: string | null;
}

const AGENT_GROUP = "Which agent (one of these, or what understudy.yaml says):";
const MORE_GROUP = "More about the agent:";

/** Adds the options that say which agent. */
export function addAgentOptions(command: Command): Command {
  const which = (flags: string, text: string): Option => new Option(flags, text).helpGroup(AGENT_GROUP);
  const more = (flags: string, text: string): Option => new Option(flags, text).helpGroup(MORE_GROUP);
  command
    .addOption(which("--agent <host:port>", "one that listens there").argParser(argument(parseHostPort)))
    .addOption(which("--pod <name[/container]>", "started beside a pod's container").argParser(argument(parsePodName)))
    .addOption(which("--deployment <name[/container]>", "started beside a pod of a deployment").argParser(argument(parsePodName)));
  return addLocalTargetOptions(command, AGENT_GROUP, MORE_GROUP)
    .addOption(more("--context <name>", "context of the kubeconfig file, with --pod or --deployment"))
    .addOption(more("--namespace <name>", "namespace of the cluster, with --pod or --deployment"))
    .addOption(more("--agent-image <image>", "the agent's container image, with --pod or --deployment").env("UNDERSTUDY_AGENT_IMAGE"))
    .addOption(more("--ephemeral", "an ephemeral container in the target's pod, with --pod or --deployment"))
    .addOption(more("--dry-run", "print what would be made in the cluster, with --pod or --deployment, and do nothing"))
    .addOption(more("--config <file>", "a config file instead of the next understudy.yaml upwards"));
}

/** Adds the options that say beside what an agent is started on this machine. */
export function addLocalTargetOptions(
  command: Command,
  group = "Beside what (one of these):",
  moreGroup = "More about the agent:",
): Command {
  return command
    .addOption(
      new Option("--netns <name>", "started beside a network namespace of `ip netns`").argParser(argument(parseName)).helpGroup(group),
    )
    .addOption(new Option("--pid <pid>", "started beside a process of this machine").argParser(argument(parsePid)).helpGroup(group))
    .addOption(
      new Option("--docker <name>", "started beside a container of this machine's Docker").argParser(argument(parseName)).helpGroup(group),
    )
    .addOption(new Option("--agent-binary <file>", "the agent's program").env("UNDERSTUDY_AGENT").helpGroup(moreGroup));
}

const kinds = ["agent", "pod", "deployment", "netns", "pid", "docker"] as const;
const clusterOnly = { context: "context", namespace: "namespace", ephemeral: "ephemeral", dryRun: "dry-run" } as const;

/** Whether the options say which agent. */
export function namesAgent(options: AgentOptions): boolean {
  return kinds.some((kind) => options[kind] !== undefined);
}

/** Null when the options name no agent. @throws UsageError when they do not go together. */
export function choiceOf(options: AgentOptions): AgentChoice | null {
  const given = kinds.filter((kind) => options[kind] !== undefined);
  if (given.length > 1) throw new UsageError(`only one agent can be meant: give one of ${given.map((kind) => `--${kind}`).join(" and ")}`);
  const [kind] = given;
  if (kind === undefined) return null;
  const [, stray] = Object.entries(clusterOnly).find(([name]) => options[name as keyof typeof clusterOnly] !== undefined) ?? [];
  if (stray !== undefined && kind !== "pod" && kind !== "deployment") {
    throw new UsageError(`--${stray} goes with --pod or --deployment, not with --${kind}`);
  }
  if (options.agent !== undefined) return { kind: "address", address: options.agent };
  if (options.pod !== undefined) return inCluster("pod", options.pod, options);
  if (options.deployment !== undefined) return inCluster("deployment", options.deployment, options);
  return localChoiceOf(options);
}

/** Null when the options name nothing to start an agent beside. @throws UsageError when they name several. */
export function localChoiceOf({ netns, pid, docker, agentBinary }: LocalTargetOptions): LocalTargetChoice | null {
  const given = Object.entries({ netns, pid, docker }).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`]));
  if (given.length > 1) throw new UsageError(`an agent is beside one thing: give one of ${given.join(" and ")}`);
  const binary = agentBinary ?? null;
  if (netns !== undefined) return { kind: "netns", name: netns, binary };
  if (pid !== undefined) return { kind: "pid", pid, binary };
  if (docker !== undefined) return { kind: "docker", name: docker, binary };
  return null;
}

function inCluster(kind: "pod" | "deployment", pod: PodName, options: AgentOptions): ClusterTargetChoice {
  const { context = null, namespace = null, agentImage, ephemeral = false } = options;
  if (agentImage === undefined) {
    throw new UsageError(
      `an agent in the cluster needs a container image: give --agent-image IMAGE (or UNDERSTUDY_AGENT_IMAGE) with --${kind}`,
    );
  }
  return { kind, ...pod, cluster: { context, namespace }, image: agentImage, isEphemeral: ephemeral };
}

/** The options that make this choice, for the user to read or to type. */
export function choiceText(choice: AgentChoice): string {
  switch (choice.kind) {
    case "address":
      return `--agent ${formatHostPort(choice.address)}`;
    case "pod":
    case "deployment": {
      const { context, namespace } = choice.cluster;
      const where = [context === null ? [] : ["--context", context], namespace === null ? [] : ["--namespace", namespace]].flat();
      return [`--${choice.kind}`, podText(choice), ...where, ...(choice.isEphemeral ? ["--ephemeral"] : [])].join(" ");
    }
    case "netns":
    case "docker":
      return `--${choice.kind} ${choice.name}`;
    case "pid":
      return `--pid ${choice.pid}`;
  }
}

/** The inverse of `parsePodName`. */
export function podText({ name, container }: PodName): string {
  return container === null ? name : `${name}/${container}`;
}

/** @throws Error that says what is wrong. */
export function parsePodName(text: string): PodName {
  const [name = "", container, ...more] = text.split("/");
  if (name === "" || container === "" || more.length > 0) throw new Error("It must be NAME or NAME/CONTAINER.");
  return { name, container: container ?? null };
}

/** @throws Error that says what is wrong. */
export function parsePid(text: string): number {
  const pid = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (pid < 1) throw new Error("A process id is a whole number from 1 up.");
  return pid;
}

/** @throws Error that says what is wrong. */
export function parseName(text: string): string {
  if (text === "" || text.startsWith(".") || text.startsWith("-") || /[/\s]/.test(text)) throw new Error("It must be a plain name.");
  return text;
}
