// Remote files. Every request but `close` and `closeDir` has one answer, and answers come in the order of the requests; there are no ids.
// The positions of requests and responses differ.

import type { Infer } from "../codec.ts";
import { list, option, pairOf, result, since, struct, union } from "../composites.ts";
import { bool, bytes, i32, i64, text, u32, u64, u8, unit } from "../primitives.ts";
import { Path } from "./common.ts";
import { ResponseError } from "./errors.ts";

/** How to open a file; as the options of the same names in open(2), `createNew` being O_CREAT|O_EXCL. */
export const OpenOptionsInternal = struct({ read: bool, write: bool, append: bool, truncate: bool, create: bool, createNew: bool });
export type OpenOptionsInternal = Infer<typeof OpenOptionsInternal>;

/** Opens by absolute path. */
export const OpenFileRequest = struct({ path: Path, openOptions: OpenOptionsInternal });
export type OpenFileRequest = Infer<typeof OpenFileRequest>;

/** Opens relative to an open directory. Answered by `open`. */
export const OpenRelativeFileRequest = struct({ relativeFd: u64, path: Path, openOptions: OpenOptionsInternal });
export type OpenRelativeFileRequest = Infer<typeof OpenRelativeFileRequest>;

/** Reads at most `bufferSize` bytes at the file's position. Descriptors mean nothing in another session. */
export const ReadFileRequest = struct({ remoteFd: u64, bufferSize: u64 });
export type ReadFileRequest = Infer<typeof ReadFileRequest>;

/** Reads at most `bufferSize` bytes at `startFrom`; the file's position stays. */
export const ReadLimitedFileRequest = struct({ remoteFd: u64, bufferSize: u64, startFrom: u64 });
export type ReadLimitedFileRequest = Infer<typeof ReadLimitedFileRequest>;

export const SeekFromInternal = union("SeekFromInternal", { start: u64, end: i64, current: i64 });
export type SeekFromInternal = Infer<typeof SeekFromInternal>;

export const SeekFileRequest = struct({ fd: u64, seekFrom: SeekFromInternal });
export type SeekFileRequest = Infer<typeof SeekFileRequest>;

export const WriteFileRequest = struct({ fd: u64, writeBytes: bytes });
export type WriteFileRequest = Infer<typeof WriteFileRequest>;

/** Writes at `startFrom`; the file's position stays. */
export const WriteLimitedFileRequest = struct({ remoteFd: u64, startFrom: u64, writeBytes: bytes });
export type WriteLimitedFileRequest = Infer<typeof WriteLimitedFileRequest>;

export const CloseFileRequest = struct({ fd: u64 });
export type CloseFileRequest = Infer<typeof CloseFileRequest>;

/** `mode`: bits 4 read, 2 write, 1 execute; none asks for existence. */
export const AccessFileRequest = struct({ pathname: Path, mode: u8 });
export type AccessFileRequest = Infer<typeof AccessFileRequest>;

/** Metadata of a path, of a descriptor, or of a path relative to a descriptor. */
export const XstatRequest = struct({ path: option(Path), fd: option(u64), followSymlink: bool });
export type XstatRequest = Infer<typeof XstatRequest>;

const DescriptorOnly = struct({ fd: u64 });
const RemoteDescriptorOnly = struct({ remoteFd: u64 });
const PathOnly = struct({ path: Path });
const PathnameOnly = struct({ pathname: Path });

export const XstatFsRequest = DescriptorOnly;
export type XstatFsRequest = Infer<typeof XstatFsRequest>;
/** Opens a stream of an open directory's entries. Answered by `openDir` with an id of its own. */
export const FdOpenDirRequest = RemoteDescriptorOnly;
export type FdOpenDirRequest = Infer<typeof FdOpenDirRequest>;
export const ReadDirRequest = RemoteDescriptorOnly;
export type ReadDirRequest = Infer<typeof ReadDirRequest>;
export const CloseDirRequest = RemoteDescriptorOnly;
export type CloseDirRequest = Infer<typeof CloseDirRequest>;

/** Next entries of a directory, as many as getdents64(2) would fit into `bufferSize` bytes. */
export const GetDEnts64Request = struct({ remoteFd: u64, bufferSize: u64 });
export type GetDEnts64Request = Infer<typeof GetDEnts64Request>;

export const ReadLinkFileRequest = PathOnly;
export type ReadLinkFileRequest = Infer<typeof ReadLinkFileRequest>;

/** Next `amount` entries of a directory stream. */
export const ReadDirBatchRequest = struct({ remoteFd: u64, amount: u64 });
export type ReadDirBatchRequest = Infer<typeof ReadDirBatchRequest>;

export const MakeDirRequest = struct({ pathname: Path, mode: u32 });
export type MakeDirRequest = Infer<typeof MakeDirRequest>;
/** Answered by `makeDir`. */
export const MakeDirAtRequest = struct({ dirfd: u64, pathname: Path, mode: u32 });
export type MakeDirAtRequest = Infer<typeof MakeDirAtRequest>;
export const RemoveDirRequest = PathnameOnly;
export type RemoveDirRequest = Infer<typeof RemoveDirRequest>;
export const UnlinkRequest = PathnameOnly;
export type UnlinkRequest = Infer<typeof UnlinkRequest>;
/** `flags`: 0 unlinks, 0x200 (AT_REMOVEDIR) removes a directory. Answered by `unlink`. */
export const UnlinkAtRequest = struct({ dirfd: option(u64), pathname: Path, flags: u32 });
export type UnlinkAtRequest = Infer<typeof UnlinkAtRequest>;
/** Answered by `xstatFs`. */
export const StatFsRequest = PathOnly;
export type StatFsRequest = Infer<typeof StatFsRequest>;
export const XstatFsRequestV2 = DescriptorOnly;
export type XstatFsRequestV2 = Infer<typeof XstatFsRequestV2>;
/** Answered by `xstatFsV2`. */
export const StatFsRequestV2 = PathOnly;
export type StatFsRequestV2 = Infer<typeof StatFsRequestV2>;
export const RenameRequest = struct({ oldPath: Path, newPath: Path });
export type RenameRequest = Infer<typeof RenameRequest>;
export const FtruncateRequest = struct({ fd: u64, length: i64 });
export type FtruncateRequest = Infer<typeof FtruncateRequest>;

/** Seconds and nanoseconds; `tvNsec` may be UTIME_NOW or UTIME_OMIT. */
export const Timespec = struct({ tvSec: i64, tvNsec: i64 });
export type Timespec = Infer<typeof Timespec>;
/** Access and modification time; null is now. */
export const FutimensRequest = struct({ fd: u64, times: option(pairOf(Timespec)) });
export type FutimensRequest = Infer<typeof FutimensRequest>;
/** 0xFFFFFFFF leaves the owner or the group as it is. */
export const FchownRequest = struct({ fd: u64, owner: u32, group: u32 });
export type FchownRequest = Infer<typeof FchownRequest>;
export const FchmodRequest = struct({ fd: u64, mode: u32 });
export type FchmodRequest = Infer<typeof FchmodRequest>;

export const FileRequest = union("FileRequest", {
  open: OpenFileRequest,
  openRelative: OpenRelativeFileRequest,
  read: ReadFileRequest,
  readLimited: ReadLimitedFileRequest,
  seek: SeekFileRequest,
  write: WriteFileRequest,
  writeLimited: WriteLimitedFileRequest,
  close: CloseFileRequest,
  access: AccessFileRequest,
  xstat: XstatRequest,
  xstatFs: XstatFsRequest,
  fdOpenDir: FdOpenDirRequest,
  readDir: ReadDirRequest,
  closeDir: CloseDirRequest,
  getDEnts64: GetDEnts64Request,
  readLink: since("1.6.0", ReadLinkFileRequest),
  readDirBatch: since("1.9.0", ReadDirBatchRequest),
  makeDir: since("1.13.0", MakeDirRequest),
  makeDirAt: since("1.13.0", MakeDirAtRequest),
  removeDir: since("1.14.0", RemoveDirRequest),
  unlink: since("1.14.0", UnlinkRequest),
  unlinkAt: since("1.14.0", UnlinkAtRequest),
  statFs: since("1.16.0", StatFsRequest),
  xstatFsV2: since("1.18.0", XstatFsRequestV2),
  statFsV2: since("1.18.0", StatFsRequestV2),
  rename: since("1.21.0", RenameRequest),
  ftruncate: since("1.24.0", FtruncateRequest),
  futimens: since("1.24.0", FutimensRequest),
  fchown: since("1.24.0", FchownRequest),
  fchmod: since("1.24.0", FchmodRequest),
});
export type FileRequest = Infer<typeof FileRequest>;

export const OpenFileResponse = DescriptorOnly;
export type OpenFileResponse = Infer<typeof OpenFileResponse>;
/** Empty at the end of the file. `readAmount` is the length of `bytes`. */
export const ReadFileResponse = struct({ bytes, readAmount: u64 });
export type ReadFileResponse = Infer<typeof ReadFileResponse>;
export const WriteFileResponse = struct({ writtenAmount: u64 });
export type WriteFileResponse = Infer<typeof WriteFileResponse>;
/** The new position, in bytes from the start. */
export const SeekFileResponse = struct({ resultOffset: u64 });
export type SeekFileResponse = Infer<typeof SeekFileResponse>;
export const AccessFileResponse = struct({});
// No members: the answer says only that access is granted.
// oxlint-disable-next-line typescript/no-generated-empty-object-type
export type AccessFileResponse = Infer<typeof AccessFileResponse>;

/** As struct stat. The time fields hold nanoseconds; `creationTime` is the time of the last status change. */
export const MetadataInternal = struct({
  deviceId: u64,
  inode: u64,
  mode: u32,
  hardLinks: u64,
  userId: u32,
  groupId: u32,
  rdeviceId: u64,
  size: u64,
  accessTime: i64,
  modificationTime: i64,
  creationTime: i64,
  blockSize: u64,
  blocks: u64,
});
export type MetadataInternal = Infer<typeof MetadataInternal>;
export const XstatResponse = struct({ metadata: MetadataInternal });
export type XstatResponse = Infer<typeof XstatResponse>;

const fsFields = { filesystemType: i64, blockSize: i64, blocks: u64, blocksFree: u64, blocksAvailable: u64, files: u64, filesFree: u64 };
/** As struct statfs. */
export const FsMetadataInternal = struct(fsFields);
export type FsMetadataInternal = Infer<typeof FsMetadataInternal>;
export const XstatFsResponse = struct({ metadata: FsMetadataInternal });
export type XstatFsResponse = Infer<typeof XstatFsResponse>;
export const FsMetadataInternalV2 = struct({ ...fsFields, filesystemId: pairOf(i32), nameLen: i64, fragmentSize: i64, flags: i64 });
export type FsMetadataInternalV2 = Infer<typeof FsMetadataInternalV2>;
export const XstatFsResponseV2 = struct({ metadata: FsMetadataInternalV2 });
export type XstatFsResponseV2 = Infer<typeof XstatFsResponseV2>;

/** `fileType`: a DT_* value of readdir(3). `position` counts from 0. */
export const DirEntryInternal = struct({ inode: u64, position: u64, name: text, fileType: u8 });
export type DirEntryInternal = Infer<typeof DirEntryInternal>;
/** Null at the end. */
export const ReadDirResponse = struct({ direntry: option(DirEntryInternal) });
export type ReadDirResponse = Infer<typeof ReadDirResponse>;
export const OpenDirResponse = DescriptorOnly;
export type OpenDirResponse = Infer<typeof OpenDirResponse>;
/** `resultSize`: bytes the entries would take in getdents64(2); 0 at the end. */
export const GetDEnts64Response = struct({ fd: u64, entries: list(DirEntryInternal), resultSize: u64 });
export type GetDEnts64Response = Infer<typeof GetDEnts64Response>;
export const ReadLinkFileResponse = PathOnly;
export type ReadLinkFileResponse = Infer<typeof ReadLinkFileResponse>;
/** Empty at the end. */
export const ReadDirBatchResponse = struct({ fd: u64, dirEntries: list(DirEntryInternal) });
export type ReadDirBatchResponse = Infer<typeof ReadDirBatchResponse>;

const done = result(unit, ResponseError);

export const FileResponse = union("FileResponse", {
  open: result(OpenFileResponse, ResponseError),
  read: result(ReadFileResponse, ResponseError),
  readLimited: result(ReadFileResponse, ResponseError),
  write: result(WriteFileResponse, ResponseError),
  writeLimited: result(WriteFileResponse, ResponseError),
  seek: result(SeekFileResponse, ResponseError),
  access: result(AccessFileResponse, ResponseError),
  xstat: result(XstatResponse, ResponseError),
  xstatFs: result(XstatFsResponse, ResponseError),
  readDir: result(ReadDirResponse, ResponseError),
  openDir: result(OpenDirResponse, ResponseError),
  getDEnts64: result(GetDEnts64Response, ResponseError),
  readLink: since("1.6.0", result(ReadLinkFileResponse, ResponseError)),
  readDirBatch: since("1.9.0", result(ReadDirBatchResponse, ResponseError)),
  makeDir: since("1.13.0", done),
  removeDir: since("1.14.0", done),
  unlink: since("1.14.0", done),
  xstatFsV2: since("1.18.0", result(XstatFsResponseV2, ResponseError)),
  rename: since("1.21.0", done),
  ftruncate: since("1.24.0", done),
  futimens: since("1.24.0", done),
  fchown: since("1.24.0", done),
  fchmod: since("1.24.0", done),
});
export type FileResponse = Infer<typeof FileResponse>;
