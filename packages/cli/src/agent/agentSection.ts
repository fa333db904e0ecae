// An agent in a file: the section `agent` of the config file, which is also what is remembered of the agent that was used last.

import { formatHostPort, parseHostPort } from "../hostPort.ts";
import { type AgentChoice, type AgentOptions, parsePodName, podText } from "./agentChoice.ts";

/** As the schema of the config file has it: exactly one of the first six. */
export interface AgentSection {
  readonly address?: string;
  readonly pod?: string;
  readonly deployment?: string;
  readonly netns?: string;
  readonly pid?: number;
  readonly docker?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly image?: string;
  readonly ephemeral?: boolean;
  readonly binary?: string;
}

/** The same as options of the command line. @throws Error for an address or a name that is none. */
export function optionsOf({ address, pod, deployment, image, binary, ...same }: AgentSection): AgentOptions {
  return {
    ...same,
    ...(address === undefined ? {} : { agent: parseHostPort(address) }),
    ...(pod === undefined ? {} : { pod: parsePodName(pod) }),
    ...(deployment === undefined ? {} : { deployment: parsePodName(deployment) }),
    ...(image === undefined ? {} : { agentImage: image }),
    ...(binary === undefined ? {} : { agentBinary: binary }),
  };
}

/** The inverse. */
export function sectionOf(choice: AgentChoice): AgentSection {
  switch (choice.kind) {
    case "address":
      return { address: formatHostPort(choice.address) };
    case "pod":
    case "deployment": {
      const { kind, cluster, image, isEphemeral } = choice;
      return { [kind]: podText(choice), ...withoutNull({ ...cluster }), image, ...(isEphemeral ? { ephemeral: true } : {}) };
    }
    case "netns":
    case "docker":
      return { [choice.kind]: choice.name, ...withoutNull({ binary: choice.binary }) };
    case "pid":
      return { pid: choice.pid, ...withoutNull({ binary: choice.binary }) };
  }
}

function withoutNull(values: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== null));
}
