// The name of a file while it is copied. It says of which source it is a part: of one that has changed it is another name, and the copy begins anew.

import { createHash } from "node:crypto";
import type { SideStats } from "./side.ts";

const SUFFIX = ".understudy.part";
const NAME_MAX_BYTES = 255;

export function partName(name: string, { size, version }: Pick<SideStats, "size" | "version">): string {
  const source = `.${size}-${version}${SUFFIX}`;
  if (Buffer.byteLength(name + source) <= NAME_MAX_BYTES) return name + source;
  return createHash("sha256").update(name).digest("hex") + source;
}

/** Such a name in a source is left alone: it could be taken for what is being copied. */
export function isPartName(name: string): boolean {
  return name.endsWith(SUFFIX);
}
