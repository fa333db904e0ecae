// Setting a file's times by descriptor with the two special values that Node's `futimes` lacks, and with nanoseconds.

import { systemCall } from "./systemCall.ts";

/** "now" is the kernel's clock at the call, "omit" leaves the time as it is. Nanoseconds: 0 to 999,999,999. */
export type FileTime = { readonly seconds: number | bigint; readonly nanoseconds: number } | "now" | "omit";

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const timespecSize = 16;

const call = systemCall("futimens", "int futimens(int fd, const void *times)");

/**
 * Sets the times of access and modification of an open file (futimens(3)), in libuv's pool.
 *
 * @param fd any open file, except O_PATH (EBADF).
 * @throws SystemCallError EPERM for given times without owning the file, EACCES for "now" without the right to write,
 *   EINVAL for nanoseconds out of range, EROFS.
 */
export async function futimens(fd: number, access: FileTime, modification: FileTime): Promise<void> {
  const times = Buffer.alloc(timespecSize * 2);
  writeTime(times, 0, access);
  writeTime(times, timespecSize, modification);
  await call.async(fd, times);
}

function writeTime(times: Buffer, offset: number, time: FileTime): void {
  const isSpecial = time === "now" || time === "omit";
  const seconds = isSpecial ? 0 : time.seconds;
  const nanoseconds = isSpecial ? (time === "now" ? UTIME_NOW : UTIME_OMIT) : time.nanoseconds;
  times.writeBigInt64LE(BigInt(seconds), offset);
  times.writeBigInt64LE(BigInt(nanoseconds), offset + 8);
}
