// A client of a mirrord agent: sessions over any duplex stream, with the target's files, names, environment and network.
// It knows nothing of Kubernetes: how the agent's port is reached is the caller's.

export { connectAgent, type ConnectAgentOptions, connectSocket, openSession } from "./connect.ts";
export type { ConnectionStream } from "./connectionStream.ts";
export { AgentError, SessionClosedError, type SessionEnd, UnsupportedByAgentError } from "./errors.ts";
export { FileError } from "./files/fileError.ts";
export type { FileHandle, FileHandle as RemoteFd } from "./files/fileHandle.ts";
export type { FileRequests } from "./files/fileRequests.ts";
export type { OpenFlags } from "./files/openFlags.ts";
export type { PieceWriter } from "./files/pieceWriter.ts";
export type { ReadOptions } from "./files/readPieces.ts";
export { Dirent, type FileType, Stats, type StatsFs } from "./files/stats.ts";
export type { TargetFiles } from "./files/targetFiles.ts";
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
export type { LastingSubscription } from "./lasting/lastingClaim.ts";
export { LastingSession, type LastingSessionOptions } from "./lasting/lastingSession.ts";
export * as outgoing from "./outgoing/clients.ts";
export type { DatagramConnection } from "./outgoing/datagramConnection.ts";
export type { ConnectOptions, PeerAddress, UnixPeerAddress } from "./outgoing/outgoing.ts";
export type { PacketConnection } from "./outgoing/packetConnection.ts";
export type { TcpConnection } from "./outgoing/tcpConnection.ts";
export type { EnvOptions, Session, SessionOptions } from "./session.ts";
export { ViewSocket } from "./viewSocket.ts";
export { type WebHandler, webHandler, webRequest } from "./web/webHandler.ts";
