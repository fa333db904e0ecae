// How a file is opened, by the names of Node's flags.

import type { OpenOptionsInternal } from "@understudy/protocol";

const flags = {
  r: { read: true },
  "r+": { read: true, write: true },
  w: { write: true, truncate: true, create: true },
  wx: { write: true, createNew: true },
  "w+": { read: true, write: true, truncate: true, create: true },
  "wx+": { read: true, write: true, createNew: true },
  a: { append: true, create: true },
  ax: { append: true, createNew: true },
  "a+": { read: true, append: true, create: true },
  "ax+": { read: true, append: true, createNew: true },
} as const satisfies Readonly<Record<string, Partial<OpenOptionsInternal>>>;

/** As in Node's `fs.open`, or the options of the protocol, for what no flag says: to create a file without cutting one that is there. */
export type OpenFlags = keyof typeof flags | Partial<OpenOptionsInternal>;

export function openOptionsOf(given: OpenFlags): Partial<OpenOptionsInternal> {
  return typeof given === "string" ? flags[given] : given;
}
