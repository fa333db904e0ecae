// Versions, pings, environment variables, and what an agent without a target refuses.

import type { ClientMessage } from "@understudy/protocol";
import * as ask from "../requests.ts";
import { burst, type Mode, type Scenario, script, step } from "../scenario.ts";

/** Variables that both agents are started with, beside those that every agent needs. */
export const agentVariables: Readonly<Record<string, string>> = {
  PATH: "/usr/bin:/bin",
  HOME: "/",
  GOPATH: "/go",
  PLAIN: "plain",
  PLAIN_LONGER: "longer",
  plain: "lower case",
  EMPTY: "",
  EQUALS: "a=b=c",
  SPACES: "  around  ",
  UNICODE: "ünï cödé ✓",
  LINES: "one\ntwo",
  A1: "1",
  A2: "2",
  "A?": "question mark",
  "B*": "star",
  "DOTTED.NAME": "dotted",
};

const versions: readonly (readonly [name: string, versions: readonly string[]])[] = [
  ["the agent's own version", ["1.29.0"]],
  ["older versions", ["1.0.0", "1.2.2", "1.3.1", "1.9.0", "1.15.0", "1.28.9"]],
  ["newer versions", ["1.29.1", "1.30.0", "2.0.0", "1.290.0", "99.0.0"]],
  ["versions before the first", ["0.0.0", "0.9.9"]],
  ["pre-releases", ["1.29.0-alpha", "1.29.0-rc.1", "1.30.0-alpha", "1.28.0-beta.2", "1.29.0-0", "2.0.0-x.y.z"]],
  ["build metadata", ["1.29.0+build", "1.28.0+build.7", "1.30.0+build", "1.29.0-rc.1+build"]],
  ["the largest numbers", ["18446744073709551615.0.0", "1.18446744073709551615.0", "0.0.18446744073709551615"]],
  ["one after another", ["1.29.0", "1.2.0", "1.29.0", "1.10.0", "9.9.9"]],
];

const patterns: readonly (readonly [filter: readonly string[], select: readonly string[]])[] = [
  [[], []],
  [[], ["*"]],
  [["*"], []],
  [["*"], ["*"]],
  [[], ["PLAIN"]],
  [[], ["PLAIN*"]],
  [[], ["plain"]],
  [[], ["PLAIN_*", "EMPTY"]],
  [[], ["A?"]],
  [[], ["?1"]],
  [[], ["??"]],
  [[], ["*_*"]],
  [[], ["*N*"]],
  [[], ["B*"]],
  [[], ["B\\*"]],
  [[], ["DOTTED.NAME"]],
  [[], ["DOTTED?NAME"]],
  [[], ["[A]1"]],
  [[], ["UNICODE", "LINES", "EQUALS", "SPACES"]],
  [[], ["PATH"]],
  [[], ["PATH", "HOME", "GOPATH"]],
  [[], [""]],
  [[""], []],
  [[], ["**"]],
  [[], ["***PLAIN***"]],
  [[], ["P*N"]],
  [[], ["MISSING"]],
  [["PLAIN"], ["PLAIN*"]],
  [["PLAIN*"], ["PLAIN"]],
  [["*_*", "A?"], []],
  [["A1"], ["A?", "A1"]],
  [["plain"], ["PLAIN", "plain"]],
  [["?*"], []],
  [["MIRRORD*"], ["MIRRORD*"]],
  [[], ["MIRRORD*"]],
];

const vpn = (value: Extract<ClientMessage, { kind: "vpn" }>["value"]): ClientMessage => ({ kind: "vpn", value });

export function controlScenarios(mode: Mode): readonly Scenario[] {
  return [
    ...versions.map(([name, list]): Scenario => ({
      name: `version: ${name}`,
      isBare: true,
      steps: list.map((version) => step(ask.negotiate(version))),
    })),
    {
      name: "version: after other requests",
      isBare: true,
      steps: script(ask.ping, ask.environment([], ["A1"]), ask.negotiate("1.20.0"), ask.ping),
    },
    { name: "version: many at once", isBare: true, steps: [burst(...["1.1.0", "1.29.0", "3.0.0", "1.5.5"].map(ask.negotiate))] },
    { name: "ping: one", steps: script(ask.ping) },
    { name: "ping: many at once", steps: [burst(ask.ping, ask.ping, ask.ping, ask.ping, ask.ping)] },
    { name: "ping: before any negotiation", isBare: true, steps: script(ask.ping, ask.ping) },
    ...patterns.map(([filter, select]): Scenario => ({
      name: `environment: without ${JSON.stringify(filter)} select ${JSON.stringify(select)}`,
      steps: script(ask.environment(filter, select)),
    })),
    {
      name: "refused: pausing the target",
      steps: script({ kind: "pauseTargetRequest", value: true }, { kind: "pauseTargetRequest", value: false }, ask.ping),
    },
    {
      name: "refused: virtual networks",
      steps: script(
        vpn({ kind: "getNetworkConfiguration" }),
        vpn({ kind: "openSocket" }),
        vpn({ kind: "packet", value: new Uint8Array([1, 2, 3]) }),
        ask.ping,
      ),
    },
    {
      name: "refused: share links",
      steps: script(
        { kind: "shareLink", value: { kind: "registerKey", value: "key" } },
        { kind: "shareLink", value: { kind: "removeKey", value: "key" } },
        ask.ping,
      ),
    },
    { name: "refused: pongs of an operator", steps: script({ kind: "operatorPong", value: 7n }, ask.ping) },
    { name: "end: the client's close", steps: script({ kind: "close" }) },
    { name: "end: ready for logs more than once", steps: script({ kind: "readyForLogs" }, { kind: "readyForLogs" }, ask.ping) },
    ...(mode === "targetless" ? withoutTarget : []),
  ];
}

const withoutTarget: readonly Scenario[] = [
  {
    name: "refused: stealing without a target",
    steps: script(
      { kind: "tcpSteal", value: { kind: "portSubscribe", value: { kind: "all", value: 80 } } },
      { kind: "tcpSteal", value: { kind: "portUnsubscribe", value: 80 } },
      { kind: "tcpSteal", value: { kind: "connectionUnsubscribe", value: 3 } },
      ask.ping,
    ),
  },
  {
    name: "refused: mirroring without a target",
    steps: script(
      { kind: "tcp", value: { kind: "portSubscribe", value: 80 } },
      { kind: "tcp", value: { kind: "portUnsubscribe", value: 80 } },
      { kind: "tcp", value: { kind: "connectionUnsubscribe", value: 3 } },
      ask.ping,
    ),
  },
];
