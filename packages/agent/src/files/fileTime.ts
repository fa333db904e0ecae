// A time that a client wants a file to have.

import type { FileTime } from "@understudy/native";
import type { Timespec } from "@understudy/protocol";
import { remoteIoError } from "../errors/remoteError.ts";
import { EINVAL } from "./errnos.ts";

// Linux UAPI, linux/stat.h.
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

/** @throws RemoteError for nanoseconds that the kernel would refuse. */
export function fileTime({ tvSec, tvNsec }: Timespec): FileTime {
  if (tvNsec === UTIME_NOW) return "now";
  if (tvNsec === UTIME_OMIT) return "omit";
  // Refused by the kernel as well, where they can be handed to it.
  if (!Number.isSafeInteger(tvNsec)) throw remoteIoError(EINVAL, "futimens");
  return { seconds: tvSec, nanoseconds: Number(tvNsec) };
}
