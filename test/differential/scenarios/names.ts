// Looking up names and addresses. Without a name server of the test's own only what needs none.

import type { AddressFamily } from "@understudy/protocol";
import * as ask from "../requests.ts";
import { burst, type Mode, type Scenario, script } from "../scenario.ts";

const families: readonly AddressFamily[] = ["ipv4Only", "ipv6Only", "both", "any", "unknownAddressFamilyFromNewerClient"];

const literals = [
  "127.0.0.1",
  "192.0.2.7",
  "255.255.255.255",
  "0.0.0.0",
  "::1",
  "2001:DB8::7",
  "::ffff:192.0.2.7",
  "0:0:0:0:0:0:0:1",
  "::",
] as const;

const badNames: readonly (readonly [what: string, name: string])[] = [
  ["empty", ""],
  ["two dots", ".."],
  ["an empty label", "a..b"],
  ["an empty first label", ".a"],
  ["a label of 64 bytes", `${"l".repeat(64)}.localhost`],
  ["a label of 70 bytes", "l".repeat(70)],
  ["a name of 260 bytes", `${"label.".repeat(43)}ab`],
  ["a name of 5000 bytes", "n.".repeat(2500)],
  ["a space", "no such host"],
  ["a slash", "a/b"],
  ["a NUL", "a\0b"],
  ["an exclamation mark", "a!"],
  ["brackets", "[::1]"],
  ["a zone", "fe80::1%lo"],
  ["a port", "127.0.0.1:80"],
];

export function nameScenarios(mode: Mode): readonly Scenario[] {
  return [
    ...literals.map((node): Scenario => ({
      name: `lookup: literal ${node}`,
      steps: script(ask.lookup(node), ...families.map((family) => ask.lookupV2(node, family))),
    })),
    // The machine's hosts file may or may not have `localhost` for IPv6.
    {
      name: "lookup: localhost, IPv4",
      steps: script(ask.lookup("localhost"), ask.lookupV2("localhost.", "ipv4Only"), ask.lookupV2("LocalHost", "any")),
    },
    ...["sub.localhost", "a.b.localhost.", "SUB.LocalHost"].map((node): Scenario => ({
      name: `lookup: ${node}`,
      steps: script(ask.lookup(node), ...families.map((family) => ask.lookupV2(node, family))),
    })),
    ...badNames.map(([what, node]): Scenario => ({
      name: `lookup: bad name, ${what}`,
      steps: script(ask.lookup(node), ask.lookupV2(node, "both")),
    })),
    {
      name: "lookup: both kinds at once",
      steps: [burst(ask.lookup("127.0.0.1"), ask.lookupV2("::1", "both"), ask.lookupV2("localhost", "ipv4Only"), ask.lookup("192.0.2.1"))],
    },
    { name: "reverse: loopback", steps: script(ask.reverse("127.0.0.1")) },
    ...(mode === "ephemeral" ? withServer : []),
  ];
}

/** Names that the test's own server and hosts file know; see `nameServer.ts`. */
const served = [
  "plain.example",
  "plain.example.",
  "PLAIN.Example",
  "v4.example",
  "v6.example",
  "many.example",
  "alias.example",
  "alias-of-alias.example",
  "under_score.example",
  "empty.example",
  "missing.example",
  "missing.example.",
  "servfail.example",
  "refused.example",
  "truncated.example",
  "hosted",
  "hosted.",
  "HOSTED.example",
  "searched",
  "searched.",
  "two.searched",
  "missing",
  "wild*card.example",
  "bücher.example",
  "127.1",
  "0x7f.0.0.1",
  "1.2.3",
  ".",
  "a\\b",
  "a\\.b",
  "localhost",
  "localhost.",
  "LOCALHOST",
] as const;

const withServer: readonly Scenario[] = [
  ...served.map((node): Scenario => ({
    name: `lookup: ${node}`,
    steps: script(ask.lookup(node), ...families.map((family) => ask.lookupV2(node, family))),
  })),
  {
    name: "lookup: many at once, in order",
    steps: [
      burst(
        ask.lookup("plain.example"),
        ask.lookupV2("missing.example", "both"),
        ask.lookup("hosted"),
        ask.lookupV2("v6.example", "any"),
        ask.lookup("10.0.0.1"),
        ask.lookup("many.example"),
      ),
    ],
  },
  ...["192.0.2.1", "192.0.2.50", "2001:db8::1", "192.0.2.99", "::1", "0.0.0.0", "::ffff:192.0.2.1"].map((address): Scenario => ({
    name: `reverse: ${address}`,
    steps: script(ask.reverse(address)),
  })),
  {
    name: "reverse: many at once, in order",
    steps: [burst(ask.reverse("192.0.2.99"), ask.reverse("192.0.2.1"), ask.reverse("127.0.0.1"), ask.reverse("192.0.2.50"))],
  },
];
