// What a scenario is: requests that are sent to an agent one after another, each with how many answers it has. Scenarios are data; which agent
// gets them, and what is made of the answers, is not said here.

import type { ClientMessage } from "@understudy/protocol";

/** `targetless`: the agent's own files and network. `ephemeral`: those of a target, which is process 1 of the agent's process namespace. */
export type Mode = "targetless" | "ephemeral";

export interface Step {
  /** Sent at once; several without waiting for answers between them. */
  readonly send: readonly ClientMessage[];
  /** How many answers to wait for; what comes beyond them is recorded, too. `endOfReading`: until a peer's empty bytes or a closed connection. */
  readonly answers: number | "endOfReading";
}

export interface Scenario {
  /** Unique in its mode; begins with its group and a colon. */
  readonly name: string;
  readonly steps: readonly Step[];
  /** Where the answers would be others without it. */
  readonly needs?: "root" | "ipv6";
  /** Without the negotiation of the newest version and `readyForLogs` that every other scenario begins with. */
  readonly isBare?: boolean;
  /** Wait after the last step for what comes late, in ms. Default 0. */
  readonly settleMs?: number;
}

/** What scenarios are written against. */
export interface World {
  readonly mode: Mode;
  /** The prepared files, as the agent names them: an absolute path without a slash at its end. Made anew for each scenario. */
  readonly tree: string;
  readonly ports: Ports;
  /** Name of a unix socket that the kernel keeps, without its leading NUL: echoes. */
  readonly abstractName: string;
}

/** Ports on loopback, of the test's own peers. */
export interface Ports {
  /** Echoes until the client ends its side. */
  readonly tcpEcho: number;
  /** Says `hello`, ends its side, and reads until the end. */
  readonly tcpGreeter: number;
  /** Resets as soon as it gets anything. */
  readonly tcpResetter: number;
  /** Sends 200,000 bytes and ends. */
  readonly tcpSource: number;
  /** Nobody listens. */
  readonly tcpClosed: number;
  /** Echoes datagrams. */
  readonly udpEcho: number;
  /** Nobody listens. */
  readonly udpClosed: number;
}

/** A step of one request. How many answers it has follows from its kind. */
export function step(message: ClientMessage, answers: Step["answers"] = usualAnswers(message)): Step {
  return { send: [message], answers };
}

/** Requests that are sent together. */
export function burst(...messages: readonly ClientMessage[]): Step {
  return { send: messages, answers: messages.reduce((sum, message) => sum + usualAnswers(message), 0) };
}

/** One step per request. */
export function script(...messages: readonly (ClientMessage | Step)[]): readonly Step[] {
  return messages.map((message) => ("send" in message ? message : step(message)));
}

function usualAnswers(message: ClientMessage): number {
  switch (message.kind) {
    case "fileRequest":
      return message.value.kind === "close" || message.value.kind === "closeDir" ? 0 : 1;
    case "tcpOutgoing":
    case "udpOutgoing":
    case "seqpacketOutgoing":
      return message.value.kind === "close" || message.value.kind === "write" ? 0 : 1;
    case "ping":
    case "getEnvVarsRequest":
    case "getAddrInfoRequest":
    case "getAddrInfoRequestV2":
    case "reverseDnsLookup":
    case "switchProtocolVersion":
    case "pauseTargetRequest":
    case "vpn":
    case "tcp":
    case "tcpSteal":
      return 1;
    case "close":
    case "readyForLogs":
    case "operatorPong":
    case "shareLink":
      return 0;
  }
}
