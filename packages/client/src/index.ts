// A client of a mirrord agent: sessions over any duplex stream, with the target's files, names, environment and network.
// It knows nothing of Kubernetes: how the agent's port is reached is the caller's.

export { connectAgent, type ConnectAgentOptions, openSession } from "./connect.ts";
export type { ConnectionStream } from "./connectionStream.ts";
export { AgentError, SessionClosedError, type SessionEnd, UnsupportedByAgentError } from "./errors.ts";
export type { RemoteFd, RemoteFiles } from "./files.ts";
export {
  headersFromRaw,
  headerText,
  type IncomingRequest,
  rawFromHeaders,
  type RequestBody,
  type StolenResponse,
  textResponse,
} from "./incoming/httpMessages.ts";
export type { IncomingConnection, MirrorOptions, StealOptions, Subscription } from "./incoming/subscription.ts";
export type { DatagramConnection } from "./outgoing/datagramConnection.ts";
export type { ConnectOptions, PeerAddress, UnixPeerAddress } from "./outgoing/outgoing.ts";
export type { PacketConnection } from "./outgoing/packetConnection.ts";
export type { TcpConnection } from "./outgoing/tcpConnection.ts";
export type { EnvOptions, Session, SessionOptions } from "./session.ts";
