// The messages that do nothing but carry a byte stream, which a decoder may hand on in pieces as they arrive.

import type { Relay } from "../streamDecoder.ts";
import type { ClientMessage } from "./clientMessage.ts";
import type { DaemonMessage } from "./daemonMessage.ts";

/** Writes to outgoing TCP connections and data for stolen ones. */
export const clientRelays: readonly Relay<ClientMessage>[] = [
  { prefix: [3, 1], make: (connectionId, bytes) => ({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes } } }) },
  { prefix: [2, 3], make: (connectionId, bytes) => ({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes } } }) },
];

/** Bytes of outgoing TCP connections, and of stolen and mirrored ones. */
export const daemonRelays: readonly Relay<DaemonMessage>[] = [
  {
    prefix: [3, 1, 0],
    make: (connectionId, bytes) => ({
      kind: "tcpOutgoing",
      value: { kind: "read", value: { kind: "ok", value: { connectionId, bytes } } },
    }),
  },
  { prefix: [2, 1], make: (connectionId, bytes) => ({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes } } }) },
  { prefix: [1, 1], make: (connectionId, bytes) => ({ kind: "tcp", value: { kind: "data", value: { connectionId, bytes } } }) },
];
