// Short forms of the requests that scenarios are made of.

import type {
  AddressFamily,
  ClientMessage,
  FileRequest,
  OpenOptionsInternal,
  SocketAddress,
  Timespec,
  U64,
  I64,
} from "@understudy/protocol";

const file = (value: FileRequest): ClientMessage => ({ kind: "fileRequest", value });
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Letters of `openOptions` in the order of the wire: read, write, append, truncate, create, create new. */
const optionLetters = ["r", "w", "a", "t", "c", "n"] as const;

/** Options by letters, such as "rw" or "wc": read, write, append, truncate, create, new. */
export function openOptions(letters: string): OpenOptionsInternal {
  const has = (letter: string): boolean => letters.includes(letter);
  return { read: has("r"), write: has("w"), append: has("a"), truncate: has("t"), create: has("c"), createNew: has("n") };
}

/** All 64 sets of letters. */
export const allOpenOptions: readonly string[] = Array.from({ length: 64 }, (_, set) =>
  optionLetters.filter((_letter, bit) => (set >> bit) & 1).join(""),
);

export const open = (path: string, letters = "r"): ClientMessage =>
  file({ kind: "open", value: { path, openOptions: openOptions(letters) } });
export const openAt = (relativeFd: U64, path: string, letters = "r"): ClientMessage =>
  file({ kind: "openRelative", value: { relativeFd, path, openOptions: openOptions(letters) } });
export const read = (remoteFd: U64, bufferSize: U64): ClientMessage => file({ kind: "read", value: { remoteFd, bufferSize } });
export const readAt = (remoteFd: U64, startFrom: U64, bufferSize: U64): ClientMessage =>
  file({ kind: "readLimited", value: { remoteFd, bufferSize, startFrom } });
export const write = (fd: U64, text: string): ClientMessage => file({ kind: "write", value: { fd, writeBytes: bytesOf(text) } });
export const writeAt = (remoteFd: U64, startFrom: U64, text: string): ClientMessage =>
  file({ kind: "writeLimited", value: { remoteFd, startFrom, writeBytes: bytesOf(text) } });
export const seek = (fd: U64, kind: "start" | "end" | "current", value: I64): ClientMessage =>
  file({ kind: "seek", value: { fd, seekFrom: { kind, value } } });
export const close = (fd: U64): ClientMessage => file({ kind: "close", value: { fd } });
export const access = (pathname: string, mode: number): ClientMessage => file({ kind: "access", value: { pathname, mode } });
export const stat = (path: string): ClientMessage => file({ kind: "xstat", value: { path, fd: null, followSymlink: true } });
export const lstat = (path: string): ClientMessage => file({ kind: "xstat", value: { path, fd: null, followSymlink: false } });
export const fstat = (fd: U64): ClientMessage => file({ kind: "xstat", value: { path: null, fd, followSymlink: true } });
export const fstatat = (fd: U64, path: string, followSymlink = true): ClientMessage =>
  file({ kind: "xstat", value: { path, fd, followSymlink } });
export const statNothing = (): ClientMessage => file({ kind: "xstat", value: { path: null, fd: null, followSymlink: true } });
export const fstatfs = (fd: U64): ClientMessage => file({ kind: "xstatFs", value: { fd } });
export const fstatfsV2 = (fd: U64): ClientMessage => file({ kind: "xstatFsV2", value: { fd } });
export const statfs = (path: string): ClientMessage => file({ kind: "statFs", value: { path } });
export const statfsV2 = (path: string): ClientMessage => file({ kind: "statFsV2", value: { path } });
export const readLink = (path: string): ClientMessage => file({ kind: "readLink", value: { path } });
export const mkdir = (pathname: string, mode = 0o755): ClientMessage => file({ kind: "makeDir", value: { pathname, mode } });
export const mkdirAt = (dirfd: U64, pathname: string, mode = 0o755): ClientMessage =>
  file({ kind: "makeDirAt", value: { dirfd, pathname, mode } });
export const rmdir = (pathname: string): ClientMessage => file({ kind: "removeDir", value: { pathname } });
export const unlink = (pathname: string): ClientMessage => file({ kind: "unlink", value: { pathname } });
export const unlinkAt = (dirfd: U64 | null, pathname: string, flags = 0): ClientMessage =>
  file({ kind: "unlinkAt", value: { dirfd, pathname, flags } });
export const rename = (oldPath: string, newPath: string): ClientMessage => file({ kind: "rename", value: { oldPath, newPath } });
export const openDir = (remoteFd: U64): ClientMessage => file({ kind: "fdOpenDir", value: { remoteFd } });
export const readDir = (remoteFd: U64): ClientMessage => file({ kind: "readDir", value: { remoteFd } });
export const readDirBatch = (remoteFd: U64, amount: U64): ClientMessage => file({ kind: "readDirBatch", value: { remoteFd, amount } });
export const closeDir = (remoteFd: U64): ClientMessage => file({ kind: "closeDir", value: { remoteFd } });
export const getDents = (remoteFd: U64, bufferSize: U64): ClientMessage => file({ kind: "getDEnts64", value: { remoteFd, bufferSize } });
export const ftruncate = (fd: U64, length: I64): ClientMessage => file({ kind: "ftruncate", value: { fd, length } });
export const futimens = (fd: U64, times: readonly [Timespec, Timespec] | null): ClientMessage =>
  file({ kind: "futimens", value: { fd, times } });
export const fchown = (fd: U64, owner: number, group: number): ClientMessage => file({ kind: "fchown", value: { fd, owner, group } });
export const fchmod = (fd: U64, mode: number): ClientMessage => file({ kind: "fchmod", value: { fd, mode } });

export const ping: ClientMessage = { kind: "ping" };
export const negotiate = (version: string): ClientMessage => ({ kind: "switchProtocolVersion", value: version });
export const environment = (filter: readonly string[], select: readonly string[]): ClientMessage => ({
  kind: "getEnvVarsRequest",
  value: { envVarsFilter: new Set(filter), envVarsSelect: new Set(select) },
});

export const lookup = (node: string): ClientMessage => ({ kind: "getAddrInfoRequest", value: { node } });
export const lookupV2 = (node: string, family: AddressFamily): ClientMessage => ({
  kind: "getAddrInfoRequestV2",
  value: { node, servicePort: 0, family, socktype: "any", flags: 0, protocol: 0 },
});
export const reverse = (ipAddress: string): ClientMessage => ({ kind: "reverseDnsLookup", value: { ipAddress } });

export type StreamKind = "tcpOutgoing" | "udpOutgoing";
export type OutgoingKind = StreamKind | "seqpacketOutgoing";

export const ip = (address: string, port: number): SocketAddress => ({ kind: "ip", value: { ip: address, port } });
export const unixPath = (path: string): SocketAddress => ({ kind: "unix", value: { kind: "pathname", value: path } });
export const abstract = (name: string): SocketAddress => ({ kind: "unix", value: { kind: "abstract", value: bytesOf(name) } });
export const unnamed: SocketAddress = { kind: "unix", value: { kind: "unnamed" } };

export const connect = (kind: StreamKind, remoteAddress: SocketAddress): ClientMessage => ({
  kind,
  value: { kind: "connect", value: { remoteAddress } },
});
export const connectV2 = (kind: OutgoingKind, uid: number, remoteAddress: SocketAddress): ClientMessage => ({
  kind,
  value: { kind: "connectV2", value: { uid: BigInt(uid), remoteAddress } },
});
export const send = (kind: OutgoingKind, connectionId: U64, data: string | Uint8Array): ClientMessage => ({
  kind,
  value: { kind: "write", value: { connectionId, bytes: typeof data === "string" ? bytesOf(data) : data } },
});
export const hangUp = (kind: OutgoingKind, connectionId: U64): ClientMessage => ({
  kind,
  value: { kind: "close", value: { connectionId } },
});
