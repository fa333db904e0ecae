// Connections made for the client, to the test's own peers on loopback.

import * as ask from "../requests.ts";
import { burst, type Scenario, script, step, type World } from "../scenario.ts";

const loopback = "127.0.0.1";

/** Time in which a peer's end or an error would be told, in ms. */
const settleMs = 150;

export function outgoingScenarios({ ports, tree, abstractName, mode }: World): readonly Scenario[] {
  const tcp = "tcpOutgoing";
  const udp = "udpOutgoing";
  const seqpacket = "seqpacketOutgoing";
  const tcpEcho = ask.ip(loopback, ports.tcpEcho);
  const greeter = ask.ip(loopback, ports.tcpGreeter);
  const udpEcho = ask.ip(loopback, ports.udpEcho);
  const closed = ask.ip(loopback, ports.tcpClosed);
  return [
    {
      name: "tcp: echo, first form",
      steps: script(
        ask.connect(tcp, tcpEcho),
        step(ask.send(tcp, 0, "one"), 1),
        step(ask.send(tcp, 0, "two"), 1),
        ask.hangUp(tcp, 0),
        ask.ping,
      ),
      settleMs,
    },
    {
      name: "tcp: echo, second form",
      steps: script(ask.connectV2(tcp, 7, tcpEcho), step(ask.send(tcp, 0, "one"), 1), ask.hangUp(tcp, 0), ask.ping),
      settleMs,
    },
    {
      name: "tcp: the client ends first",
      steps: script(ask.connectV2(tcp, 1, tcpEcho), step(ask.send(tcp, 0, "one"), 1), step(ask.send(tcp, 0, ""), "endOfReading")),
      settleMs,
    },
    {
      name: "tcp: the peer ends first",
      steps: script(step(ask.connectV2(tcp, 1, greeter), "endOfReading"), ask.send(tcp, 0, "late"), step(ask.send(tcp, 0, ""), 1)),
      settleMs,
    },
    {
      name: "tcp: the client hangs up after the peer ended",
      steps: script(step(ask.connectV2(tcp, 1, greeter), "endOfReading"), ask.hangUp(tcp, 0)),
      settleMs,
    },
    {
      name: "tcp: the peer sends much",
      steps: script(step(ask.connectV2(tcp, 1, ask.ip(loopback, ports.tcpSource)), "endOfReading"), step(ask.send(tcp, 0, ""), 1)),
      settleMs,
    },
    {
      name: "tcp: the peer resets",
      steps: script(ask.connectV2(tcp, 1, ask.ip(loopback, ports.tcpResetter)), step(ask.send(tcp, 0, "x"), "endOfReading")),
      settleMs,
    },
    {
      name: "tcp: writing to a connection that is over",
      steps: script(
        ask.connectV2(tcp, 1, tcpEcho),
        step(ask.send(tcp, 0, ""), "endOfReading"),
        step(ask.ping),
        ask.send(tcp, 0, "x"),
        ask.hangUp(tcp, 0),
        ask.ping,
      ),
      settleMs,
    },
    {
      name: "tcp: writing after the client's end",
      steps: script(ask.connectV2(tcp, 1, tcpEcho), {
        send: [ask.send(tcp, 0, "x"), ask.send(tcp, 0, ""), ask.send(tcp, 0, "y")],
        answers: "endOfReading",
      }),
      settleMs,
    },
    {
      name: "tcp: ending twice",
      steps: script(step(ask.connectV2(tcp, 1, greeter), "endOfReading"), step(ask.send(tcp, 0, ""), 1), ask.send(tcp, 0, "")),
      settleMs,
    },
    {
      name: "tcp: unknown connections",
      steps: script(ask.send(tcp, 0, "x"), ask.send(tcp, 5, ""), ask.hangUp(tcp, 0), ask.hangUp(tcp, 2n ** 64n - 1n), ask.ping),
      settleMs,
    },
    {
      name: "tcp: several at a time",
      steps: script(
        ask.connectV2(tcp, 1, tcpEcho),
        ask.connectV2(tcp, 2, closed),
        ask.connectV2(tcp, 3, tcpEcho),
        ask.connect(tcp, tcpEcho),
        step(ask.send(tcp, 1, "one"), 1),
        step(ask.send(tcp, 2, "two"), 1),
        ask.hangUp(tcp, 1),
        step(ask.send(tcp, 0, "zero"), 1),
      ),
      settleMs,
    },
    { name: "tcp: closed ports", steps: script(ask.connect(tcp, closed), ask.connectV2(tcp, 2, closed), ask.connectV2(tcp, 2, closed)) },
    {
      name: "tcp: first forms in order",
      steps: [burst(ask.connect(tcp, closed), ask.connect(tcp, tcpEcho), ask.connect(tcp, closed), ask.connect(tcp, tcpEcho))],
    },
    { name: "tcp: port 0", steps: script(ask.connect(tcp, ask.ip(loopback, 0)), ask.connectV2(tcp, 1, ask.ip(loopback, 0))) },
    {
      name: "tcp: the unspecified address",
      steps: script(ask.connectV2(tcp, 1, ask.ip("0.0.0.0", ports.tcpEcho)), ask.connectV2(tcp, 2, ask.ip("0.0.0.0", ports.tcpClosed))),
    },
    {
      name: "tcp: other addresses of loopback",
      steps: script(
        ask.connectV2(tcp, 1, ask.ip("127.8.9.10", ports.tcpEcho)),
        ask.connectV2(tcp, 2, ask.ip("127.8.9.10", ports.tcpClosed)),
      ),
    },
    {
      name: "tcp: IPv6 loopback",
      needs: "ipv6",
      steps: script(
        ask.connectV2(tcp, 1, ask.ip("::1", ports.tcpEcho)),
        ask.connectV2(tcp, 2, ask.ip("::1", ports.tcpClosed)),
        step(ask.send(tcp, 0, "x"), 1),
      ),
    },
    {
      name: "tcp: IPv4 in IPv6",
      needs: "ipv6",
      steps: script(
        ask.connectV2(tcp, 1, ask.ip("::ffff:127.0.0.1", ports.tcpEcho)),
        ask.connectV2(tcp, 2, ask.ip("::ffff:127.0.0.1", ports.tcpClosed)),
      ),
    },
    {
      name: "tcp: IPv6 unspecified",
      needs: "ipv6",
      steps: script(ask.connectV2(tcp, 1, ask.ip("::", ports.tcpEcho)), ask.connectV2(tcp, 2, ask.ip("::", ports.tcpClosed))),
    },
    {
      name: "tcp: the largest id",
      steps: script({ kind: tcp, value: { kind: "connectV2", value: { uid: 2n ** 128n - 1n, remoteAddress: tcpEcho } } }),
    },

    {
      name: "udp: echo, first form",
      steps: script(
        ask.connect(udp, udpEcho),
        step(ask.send(udp, 0, "one"), 1),
        step(ask.send(udp, 0, "two"), 1),
        ask.hangUp(udp, 0),
        ask.ping,
      ),
      settleMs,
    },
    {
      name: "udp: echo, second form",
      steps: script(ask.connectV2(udp, 9, udpEcho), step(ask.send(udp, 0, "one"), 1), ask.hangUp(udp, 0), ask.ping),
      settleMs,
    },
    {
      name: "udp: datagrams stay apart",
      steps: script(ask.connectV2(udp, 9, udpEcho), {
        send: [ask.send(udp, 0, "a"), ask.send(udp, 0, "bc"), ask.send(udp, 0, "def")],
        answers: 3,
      }),
      settleMs,
    },
    {
      name: "udp: large datagrams",
      steps: script(
        ask.connectV2(udp, 9, udpEcho),
        step(ask.send(udp, 0, new Uint8Array(8000).fill(97)), 1),
        step(ask.send(udp, 0, new Uint8Array(60_000).fill(98)), 1),
      ),
      settleMs,
    },
    {
      name: "udp: too large a datagram",
      steps: script(ask.connectV2(udp, 9, udpEcho), ask.send(udp, 0, new Uint8Array(70_000)), step(ask.send(udp, 0, "after"), 1)),
      settleMs,
    },
    {
      name: "udp: the client's end",
      steps: script(ask.connectV2(udp, 9, udpEcho), step(ask.send(udp, 0, "x"), 1), ask.send(udp, 0, ""), ask.send(udp, 0, "after")),
      settleMs,
    },
    { name: "udp: closed ports", steps: script(ask.connectV2(udp, 9, ask.ip(loopback, ports.udpClosed)), ask.send(udp, 0, "x")), settleMs },
    {
      name: "udp: closed ports, twice",
      steps: script(
        ask.connectV2(udp, 9, ask.ip(loopback, ports.udpClosed)),
        { send: [ask.send(udp, 0, "x")], answers: 0 },
        { send: [ask.ping], answers: 1 },
        ask.send(udp, 0, "y"),
      ),
      settleMs,
    },
    { name: "udp: port 0", steps: script(ask.connect(udp, ask.ip(loopback, 0)), ask.connectV2(udp, 1, ask.ip(loopback, 0))) },
    {
      name: "udp: the unspecified address",
      steps: script(ask.connectV2(udp, 1, ask.ip("0.0.0.0", ports.udpEcho)), step(ask.send(udp, 0, "x"), 1)),
    },
    { name: "udp: IPv6 loopback", needs: "ipv6", steps: script(ask.connectV2(udp, 1, ask.ip("::1", ports.udpClosed))) },
    {
      name: "udp: unknown connections",
      steps: script(ask.send(udp, 0, "x"), ask.send(udp, 5, ""), ask.hangUp(udp, 0), ask.ping),
      settleMs,
    },
    {
      name: "udp: several and first forms in order",
      steps: [burst(ask.connect(udp, udpEcho), ask.connect(udp, ask.unnamed), ask.connect(udp, udpEcho))],
    },
    {
      name: "udp: unix addresses",
      steps: script(
        ask.connect(udp, ask.unixPath(`${tree}/socket`)),
        ask.connectV2(udp, 1, ask.abstract(abstractName)),
        ask.connectV2(udp, 2, ask.unnamed),
      ),
    },

    {
      name: "unix: an abstract name",
      steps: script(
        ask.connectV2(tcp, 1, ask.abstract(abstractName)),
        step(ask.send(tcp, 0, "x"), 1),
        step(ask.send(tcp, 0, ""), "endOfReading"),
      ),
      settleMs,
    },
    {
      name: "unix: an abstract name, first form",
      steps: script(ask.connect(tcp, ask.abstract(abstractName)), ask.hangUp(tcp, 0)),
      settleMs,
    },
    {
      name: "unix: abstract names that nobody has",
      steps: script(ask.connectV2(tcp, 1, ask.abstract("understudy-nobody")), ask.connectV2(tcp, 2, ask.abstract(""))),
    },
    {
      name: "unix: too long an abstract name",
      steps: script(
        ask.connectV2(tcp, 1, ask.abstract("n".repeat(107))),
        ask.connectV2(tcp, 2, ask.abstract("n".repeat(108))),
        ask.connectV2(tcp, 3, ask.abstract("n".repeat(200))),
      ),
    },
    { name: "unix: no name", steps: script(ask.connect(tcp, ask.unnamed), ask.connectV2(tcp, 1, ask.unnamed)) },
    {
      name: "unix: missing paths",
      steps: script(
        ask.connectV2(tcp, 1, ask.unixPath(`${tree}/missing`)),
        ask.connectV2(tcp, 2, ask.unixPath(`${tree}/missing/below`)),
        ask.connectV2(tcp, 3, ask.unixPath(`${tree}/dangling`)),
      ),
    },
    {
      name: "unix: too long a path",
      steps: script(
        ask.connectV2(tcp, 1, ask.unixPath(`/tmp/${"n".repeat(103)}`)),
        ask.connectV2(tcp, 2, ask.unixPath(`/tmp/${"n".repeat(200)}`)),
      ),
    },
    {
      name: "unix: a path with a NUL",
      steps: script(ask.connectV2(tcp, 1, ask.unixPath("/tmp/a\0b")), ask.connectV2(tcp, 2, ask.unixPath(""))),
    },
    ...(mode === "targetless"
      ? [
          {
            name: "unix: a path",
            steps: script(
              ask.connectV2(tcp, 1, ask.unixPath(`${tree}/socket`)),
              step(ask.send(tcp, 0, "x"), 1),
              step(ask.send(tcp, 0, ""), "endOfReading"),
            ),
            settleMs,
          },
          {
            name: "unix: a path, first form",
            steps: script(ask.connect(tcp, ask.unixPath(`${tree}/socket`)), step(ask.send(tcp, 0, "x"), 1), ask.hangUp(tcp, 0)),
            settleMs,
          },
          {
            name: "unix: paths that are no sockets",
            steps: script(
              ask.connectV2(tcp, 1, ask.unixPath(`${tree}/file`)),
              ask.connectV2(tcp, 2, ask.unixPath(`${tree}/dir`)),
              ask.connectV2(tcp, 3, ask.unixPath(`${tree}/file/below`)),
            ),
          },
        ]
      : [
          // On other networks than a namespace's own, the machine's routes decide.
          {
            name: "tcp: addresses that no host has",
            steps: script(
              ask.connectV2(tcp, 1, ask.ip("255.255.255.255", 80)),
              ask.connectV2(tcp, 2, ask.ip("224.0.0.1", 80)),
              ask.connectV2(tcp, 3, ask.ip("192.0.2.1", 80)),
            ),
          },
          {
            name: "udp: addresses that no host has",
            steps: script(ask.connectV2(udp, 1, ask.ip("255.255.255.255", 9)), ask.connect(udp, ask.ip("192.0.2.1", 9))),
          },
        ]),

    {
      name: "seqpacket: addresses",
      steps: script(
        ask.connectV2(seqpacket, 1, tcpEcho),
        ask.connectV2(seqpacket, 2, ask.unnamed),
        ask.connectV2(seqpacket, 3, ask.unixPath(`${tree}/missing`)),
        ask.connectV2(seqpacket, 4, ask.abstract("understudy-nobody")),
      ),
    },
    { name: "seqpacket: a stream's socket", steps: script(ask.connectV2(seqpacket, 1, ask.abstract(abstractName))) },
    {
      name: "seqpacket: too long names",
      steps: script(
        ask.connectV2(seqpacket, 1, ask.unixPath(`/tmp/${"n".repeat(200)}`)),
        ask.connectV2(seqpacket, 2, ask.abstract("n".repeat(200))),
      ),
    },
    {
      name: "seqpacket: unknown connections",
      steps: script(ask.send(seqpacket, 0, "x"), ask.send(seqpacket, 3, ""), ask.hangUp(seqpacket, 0), ask.ping),
      settleMs,
    },
  ];
}
