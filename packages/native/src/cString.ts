// Path names as the C library takes them. It does not interpret paths in any way.

import { EINVAL } from "./errno.ts";
import { SystemCallError } from "./systemCall.ts";

/** A path: text, or its bytes where the name is no valid UTF-8. */
export type Path = string | Uint8Array;

/**
 * Copies a path into a zero-terminated buffer.
 *
 * @throws SystemCallError EINVAL when the path contains a zero byte, which would cut it silently.
 */
export function cString(path: Path, syscall: string): Buffer {
  const terminated = typeof path === "string" ? Buffer.from(`${path}\0`, "utf8") : Buffer.concat([path, Uint8Array.of(0)]);
  if (terminated.indexOf(0) < terminated.length - 1) throw new SystemCallError(EINVAL, syscall);
  return terminated;
}
