// Several paths of the target as arguments of a command.

import { argument } from "../arguments.ts";
import { parseTargetPath } from "./targetPath.ts";

const parse = argument(parseTargetPath);

/** For commander, which hands over what it has already. */
export function collectTargetPaths(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), parse(text)];
}
