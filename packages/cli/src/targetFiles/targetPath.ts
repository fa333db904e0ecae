// Paths of the target, as a user writes them and as they are shown.

import { posix } from "node:path";
import { type Output, printable } from "../output.ts";

/** The target has no working directory that a client could know. @throws Error with what to write instead. */
export function parseTargetPath(text: string): string {
  if (!text.startsWith("/")) throw new Error("a path of the target begins with a slash");
  if (text.includes("\0")) throw new Error("a path holds no NUL");
  return text;
}

/** Names are the target's: on a terminal they must not command it. Elsewhere they are what other programs need, as they are. */
export function shownPath(path: string, output: Output): string {
  return output.isTerminal ? printable(path) : path;
}

/** A name in a directory; keeps how the user wrote the directory. */
export function below(directory: string, name: string): string {
  return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}

/** What no directory has: a name that would lead elsewhere is an attack, or a fault of the agent. */
export function isHonestName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && posix.basename(name) === name;
}
