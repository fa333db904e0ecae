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
  const bytes = typeof path === "string" ? Buffer.from(path, "utf8") : path;
  if (bytes.includes(0)) throw new SystemCallError(EINVAL, syscall);
  const terminated = Buffer.alloc(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}
