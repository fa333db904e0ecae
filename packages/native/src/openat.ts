// Opening files by openat(2), for kernels without openat2(2). It confines nothing: to stay inside a directory, pass one component and O_NOFOLLOW.

import { cString, type Path } from "./cString.ts";
import { O_CLOEXEC } from "./openat2.ts";
import { systemCall } from "./systemCall.ts";

// Described with a fixed last argument; see `systemCall` about variadic functions.
const call = systemCall("openat", "int openat(int dirFd, const void *path, int flags, uint32_t mode)");

/**
 * Opens a file in libuv's pool. The descriptor is the caller's to close.
 *
 * @param flags O_* flags; O_CLOEXEC is always added. O_NOFOLLOW fails with ELOOP at a link, unless with O_PATH, which then names the link.
 * @param mode permissions of a new file, 0 without O_CREAT.
 */
export async function openat(dirFd: number, path: Path, flags: number, mode: number): Promise<number> {
  return await call.async(dirFd, cString(path, "openat"), flags | O_CLOEXEC, mode);
}
