// What a peer is told when a request failed.

import type { Infer } from "../codec.ts";
import { option, since, struct, union } from "../composites.ts";
import { bool, i32, text, u16, u32, u64 } from "../primitives.ts";
import { Port, SocketAddress } from "./common.ts";
import { Filter, HttpFilter, StealType } from "./filters.ts";

/** Kind of a failed system call, beside its errno. `filesystemLoop` exists but is never sent. */
export const ErrorKindInternal = union("ErrorKindInternal", {
  notFound: null,
  permissionDenied: null,
  connectionRefused: null,
  connectionReset: null,
  hostUnreachable: null,
  networkUnreachable: null,
  connectionAborted: null,
  notConnected: null,
  addrInUse: null,
  addrNotAvailable: null,
  networkDown: null,
  brokenPipe: null,
  alreadyExists: null,
  wouldBlock: null,
  notADirectory: null,
  isADirectory: null,
  directoryNotEmpty: null,
  readOnlyFilesystem: null,
  filesystemLoop: null,
  staleNetworkFileHandle: null,
  invalidInput: null,
  invalidData: null,
  timedOut: null,
  writeZero: null,
  storageFull: null,
  notSeekable: null,
  filesystemQuotaExceeded: null,
  fileTooLarge: null,
  resourceBusy: null,
  executableFileBusy: null,
  deadlock: null,
  crossesDevices: null,
  tooManyLinks: null,
  invalidFilename: null,
  argumentListTooLong: null,
  interrupted: null,
  unsupported: null,
  unexpectedEof: null,
  outOfMemory: null,
  other: null,
  unknown: text,
});
export type ErrorKindInternal = Infer<typeof ErrorKindInternal>;

/** `rawOsError` is the Linux errno, null when no system call failed. Clients turn a missing one into EIO. */
export const RemoteIOError = struct({ rawOsError: option(i32), kind: ErrorKindInternal });
export type RemoteIOError = Infer<typeof RemoteIOError>;

/** `noRecordsFound` carries the response code of the name server. */
export const ResolveErrorKindInternal = union("ResolveErrorKindInternal", {
  message: text,
  noConnections: null,
  noRecordsFound: u16,
  proto: null,
  timeout: null,
  unknown: null,
  notFound: null,
  permissionDenied: null,
});
export type ResolveErrorKindInternal = Infer<typeof ResolveErrorKindInternal>;

export const DnsLookupError = struct({ kind: ResolveErrorKindInternal });
export type DnsLookupError = Infer<typeof DnsLookupError>;

export const RemoteErrorMessage = union("RemoteError", {
  nameserverNotFound: null,
  addressParsing: text,
  invalidAddress: SocketAddress,
  connectTimedOut: SocketAddress,
  badHttpFilterRegex: [Filter, text],
  badHttpFilterExRegex: [HttpFilter, text],
});
export type RemoteErrorMessage = Infer<typeof RemoteErrorMessage>;

/** What a policy forbade. Sent by operators. */
export const BlockedAction = union("BlockedAction", {
  steal: StealType,
  mirror: since("1.12.0", Port),
  outgoingTcp: SocketAddress,
  outgoingUdp: SocketAddress,
});
export type BlockedAction = Infer<typeof BlockedAction>;

/** The answer to a request that failed. `notFound`, `notDirectory` and `notFile` carry the descriptor that was asked for. */
export const ResponseError = union("ResponseError", {
  idsExhausted: text,
  notFound: u64,
  notDirectory: u64,
  notFile: u64,
  remoteIO: RemoteIOError,
  dnsLookup: DnsLookupError,
  remote: RemoteErrorMessage,
  portAlreadyStolen: Port,
  notImplemented: null,
  forbidden: struct({ blockedAction: BlockedAction, policyName: option(text) }),
  stripPrefix: text,
  openLocal: since("1.13.3", null),
  forbiddenWithReason: since("1.17.0", struct({ blockedAction: BlockedAction, policyName: option(text), reason: text })),
  systemFailure: since("1.28.0", struct({ canRetry: bool, code: u32, message: text })),
});
export type ResponseError = Infer<typeof ResponseError>;
