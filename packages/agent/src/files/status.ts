// Status of files and file systems in the form of the wire.

import type { FileMoment, FileStatus, FileSystemStats } from "@understudy/native";
import type { FsMetadataInternal, FsMetadataInternalV2, MetadataInternal } from "@understudy/protocol";
import { narrow } from "@understudy/protocol";

/**
 * @param fullTimes nanoseconds since 1970 in the time fields, as they are documented. False: only those within the second, which is
 *   what the reference sends and its clients copy without reducing.
 */
export function metadata(status: FileStatus, fullTimes: boolean): MetadataInternal {
  const time = fullTimes ? sinceEpoch : (moment: FileMoment): number => moment.nanoseconds;
  return {
    deviceId: status.device,
    inode: status.inode,
    mode: status.mode,
    hardLinks: status.links,
    userId: status.user,
    groupId: status.group,
    rdeviceId: status.specialDevice,
    size: status.size,
    accessTime: time(status.accessed),
    modificationTime: time(status.modified),
    creationTime: time(status.changed),
    blockSize: status.blockSize,
    blocks: status.blocks,
  };
}

/** Nanoseconds since 1970, in the range of a signed 64-bit integer: years 1678 to 2262. */
function sinceEpoch(moment: FileMoment): number | bigint {
  return narrow(BigInt.asIntN(64, BigInt(moment.seconds) * 1_000_000_000n + BigInt(moment.nanoseconds)));
}

const signed = (value: bigint): number | bigint => narrow(BigInt.asIntN(64, value));

export function fileSystemMetadata(stats: FileSystemStats): FsMetadataInternal {
  return {
    filesystemType: signed(stats.type),
    blockSize: signed(stats.blockSize),
    blocks: narrow(stats.blocks),
    blocksFree: narrow(stats.blocksFree),
    blocksAvailable: narrow(stats.blocksAvailable),
    files: narrow(stats.files),
    filesFree: narrow(stats.filesFree),
  };
}

export function fileSystemMetadataV2(stats: FileSystemStats): FsMetadataInternalV2 {
  return {
    ...fileSystemMetadata(stats),
    filesystemId: [stats.fsid[0], stats.fsid[1]],
    nameLen: signed(stats.nameLength),
    fragmentSize: signed(stats.fragmentSize),
    flags: signed(stats.flags),
  };
}
