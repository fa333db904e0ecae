// Types that several groups of messages share.

import { enumeration, option, struct, union } from "../composites.ts";
import type { Infer } from "../codec.ts";
import { bytes, text, u16, u64 } from "../primitives.ts";
import { socketAddr } from "../netAddress.ts";

/** Names one connection or stolen request within one group of messages of one session; never reused there. */
export const ConnectionId = u64;
export type ConnectionId = Infer<typeof ConnectionId>;

/** Requests on one connection; agents send 0 only. */
export const RequestId = u16;
export type RequestId = Infer<typeof RequestId>;

/** A TCP port of the target. */
export const Port = u16;
export type Port = Infer<typeof Port>;

/** A path in the target's file system. It must be UTF-8: a name that is not cannot be expressed. */
export const Path = text;

/** Address of a unix socket. `abstract` comes without its leading NUL. */
export const UnixAddr = union("UnixAddr", { pathname: Path, abstract: bytes, unnamed: null });
export type UnixAddr = Infer<typeof UnixAddr>;

/** Address of either end of an outgoing connection. */
export const SocketAddress = union("SocketAddress", { ip: socketAddr, unix: UnixAddr });
export type SocketAddress = Infer<typeof SocketAddress>;

/** Level of a message shown to the user of a session. `info` needs 1.13.4. */
export const LogLevel = enumeration("LogLevel", ["warn", "error", "info"]);
export type LogLevel = Infer<typeof LogLevel>;

/** A text for the session's user. Sent only after `readyForLogs`. */
export const LogMessage = struct({ message: text, level: LogLevel });
export type LogMessage = Infer<typeof LogMessage>;

/** Raw bytes of a stolen or mirrored connection. Empty bytes are the end of that direction, not a no-op. */
export const TcpData = struct({ connectionId: ConnectionId, bytes });
export type TcpData = Infer<typeof TcpData>;

/** How redirected traffic reached the agent. Payloads are always plain. */
export const IncomingTrafficTransportType = union("IncomingTrafficTransportType", {
  tcp: null,
  tls: struct({ alpnProtocol: option(bytes), serverName: option(text) }),
});
export type IncomingTrafficTransportType = Infer<typeof IncomingTrafficTransportType>;
