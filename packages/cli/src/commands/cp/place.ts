// Where to copy from or to: this machine, or the target.

import { parseTargetPath } from "../../targetFiles/targetPath.ts";

export interface Place {
  readonly side: "machine" | "target";
  readonly path: string;
}

/** @throws Error when a path of the target is not absolute, or none is given. */
export function parsePlace(text: string): Place {
  const [, targetPath] = /^(?:target)?:(.*)$/s.exec(text) ?? [];
  if (targetPath !== undefined) return { side: "target", path: parseTargetPath(targetPath) };
  if (text === "" || text.includes("\0")) throw new Error("a path is needed");
  return { side: "machine", path: text };
}
