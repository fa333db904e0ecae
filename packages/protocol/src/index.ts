// The wire of mirrord-protocol 1.29.0: every message, its bytes, and the rules of versions. Pure: bytes in, plain data out.

export type { Codec, Infer } from "./codec.ts";
export type { Result } from "./composites.ts";
export { decode, type Decoded } from "./decode.ts";
export { type HttpHeaders, isHeaderValue, isHttpUri, isToken } from "./httpParts.ts";
export { fromJson, toJson, type Json } from "./json.ts";
export { type DecodeLimits, defaultLimits } from "./limits.ts";
export { type Relay, StreamDecoder, type StreamDecoderOptions } from "./streamDecoder.ts";
export * from "./messages/clientMessage.ts";
export * from "./messages/common.ts";
export * from "./messages/daemonMessage.ts";
export * from "./messages/errors.ts";
export * from "./messages/files.ts";
export * from "./messages/filters.ts";
export * from "./messages/http.ts";
export * from "./messages/incoming.ts";
export * from "./messages/names.ts";
export * from "./messages/outgoing.ts";
export { clientRelays, daemonRelays } from "./messages/relays.ts";
export { formatIp, formatSocketAddr, parseIp, parseSocketAddr, type SocketAddr } from "./netAddress.ts";
export { EncodeError, ProtocolError, type ProtocolErrorCode } from "./protocolError.ts";
export { type I64, narrow, type U64 } from "./primitives.ts";
export { compareVersions, parseVersion, type Version } from "./semver.ts";
export type { AnyCodec, Shape } from "./shape.ts";
export {
  allows,
  negotiate,
  PROTOCOL_VERSION,
  unlockedGates,
  UNNEGOTIATED_VERSION,
  type VersionGate,
  versionGates,
} from "./versionGates.ts";
export { parseVector, type Vector, vectorProblem } from "./vectors.ts";
export { Writer, type WriterOptions } from "./writer.ts";
