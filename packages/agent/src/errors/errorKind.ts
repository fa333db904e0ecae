// Linux error numbers and the kinds that the wire has for them. The table is the protocol's (docs/wire.md): what is not in it travels
// as `unknown`, with its number beside it.

import type { ErrorKindInternal } from "@understudy/protocol";

type PlainKind = Exclude<ErrorKindInternal["kind"], "unknown">;
type PlainErrorKind = Extract<ErrorKindInternal, { readonly kind: PlainKind }>;

/** Linux errno values, x86-64 and arm64 alike, that have a kind of their own. */
const kinds: ReadonlyMap<number, PlainKind> = new Map<number, PlainKind>([
  [1, "permissionDenied"], // EPERM
  [2, "notFound"], // ENOENT
  [4, "interrupted"], // EINTR
  [7, "argumentListTooLong"], // E2BIG
  [11, "wouldBlock"], // EAGAIN
  [12, "outOfMemory"], // ENOMEM
  [13, "permissionDenied"], // EACCES
  [16, "resourceBusy"], // EBUSY
  [17, "alreadyExists"], // EEXIST
  [18, "crossesDevices"], // EXDEV
  [20, "notADirectory"], // ENOTDIR
  [21, "isADirectory"], // EISDIR
  [22, "invalidInput"], // EINVAL
  [26, "executableFileBusy"], // ETXTBSY
  [27, "fileTooLarge"], // EFBIG
  [28, "storageFull"], // ENOSPC
  [29, "notSeekable"], // ESPIPE
  [30, "readOnlyFilesystem"], // EROFS
  [31, "tooManyLinks"], // EMLINK
  [32, "brokenPipe"], // EPIPE
  [35, "deadlock"], // EDEADLK
  [36, "invalidFilename"], // ENAMETOOLONG
  [38, "unsupported"], // ENOSYS
  [39, "directoryNotEmpty"], // ENOTEMPTY
  [95, "unsupported"], // EOPNOTSUPP
  [98, "addrInUse"], // EADDRINUSE
  [99, "addrNotAvailable"], // EADDRNOTAVAIL
  [100, "networkDown"], // ENETDOWN
  [101, "networkUnreachable"], // ENETUNREACH
  [103, "connectionAborted"], // ECONNABORTED
  [104, "connectionReset"], // ECONNRESET
  [107, "notConnected"], // ENOTCONN
  [110, "timedOut"], // ETIMEDOUT
  [111, "connectionRefused"], // ECONNREFUSED
  [113, "hostUnreachable"], // EHOSTUNREACH
  [116, "staleNetworkFileHandle"], // ESTALE
  [122, "filesystemQuotaExceeded"], // EDQUOT
]);

const ELOOP = 40;
const EINPROGRESS = 115;

/** The kind that goes with an errno. */
export function errorKind(errno: number): ErrorKindInternal {
  const kind = kinds.get(errno);
  if (kind !== undefined) return { kind } as PlainErrorKind;
  if (errno === ELOOP) return { kind: "unknown", value: "filesystem loop or indirection limit (e.g. symlink loop)" };
  return { kind: "unknown", value: errno === EINPROGRESS ? "in progress" : "uncategorized error" };
}
