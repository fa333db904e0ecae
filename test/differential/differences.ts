// The differences from the reference that are meant, each with the reason. What differs and is not here fails the tests, and so does an entry
// that nothing needs any more.

import type { Divergence } from "./compare.ts";
import type { Mode } from "./scenario.ts";

export interface Difference {
  /** Names of scenarios. */
  readonly scenario: RegExp;
  /** Default: both. */
  readonly mode?: Mode;
  /** The step's requests, as `step <number>: <JSON>`. Default: any. */
  readonly request?: RegExp;
  /** Way to the field, such as `[0].File.Open`. Default: any. */
  readonly field?: RegExp;
  /** Values of the field, as JSON. Default: any. */
  readonly reference?: RegExp;
  readonly ours?: RegExp;
  /** One sentence: why this agent is meant to differ. Begins with `To be fixed` where it is not. */
  readonly why: string;
}

const notFound = /"?NotFound"?|^2$/;
const isOk = /^\{"Ok":/;
const isErr = /^\{"Err":/;

/** Paths whose names the reference takes as text, without looking whether they lead anywhere. */
const takenAsText = /: path (?:up from (?:what is missing|a file)|of 5000 bytes)$/;

export const differences: readonly Difference[] = [
  // Files: which file a path means.
  {
    scenario: /^(?:open|access|stat): path (?:empty|relative.*)$/,
    request: /"(?:Open|Access)"|^connection$/,
    reference: /prefix not found|^0$/,
    ours: /NotFound|^null$/,
    why: "A relative path in an open or an access check ends the reference's whole session; here only that request fails, with ENOENT.",
  },
  {
    scenario: /^stat: path empty$/,
    field: /\.Err/,
    ours: notFound,
    why: "An empty path is ENOENT, as stat(2) and readlink(2) say; the reference has answers without an errno, which clients turn into EIO.",
  },
  {
    scenario: /^(?:names|stat): path empty$/,
    mode: "ephemeral",
    request: /"(?:StatFs|StatFsV2|MakeDir|RemoveDir|Unlink|UnlinkAt|Rename)"/,
    ours: /NotFound|^2$/,
    why: "An empty path is ENOENT, as the system calls say; the reference takes it for the target's root and tries to remove or rename that.",
  },
  {
    scenario: /^(?:stat|access): the root$/,
    mode: "targetless",
    reference: notFound,
    why: "The root has a status like any folder; without a target the reference makes an empty path of it.",
  },
  {
    scenario: /^up: beyond the root$/,
    mode: "ephemeral",
    reference: /^null$|"raw_os_error":null/,
    why: "`..` of the root is the root, as in the kernel; the reference fails without an errno.",
  },
  {
    scenario: takenAsText,
    mode: "ephemeral",
    ours: /NotFound|NotADirectory|InvalidFilename|^(?:2|20|36)$/,
    why: "Each folder on the way to `..` must exist and a path has the kernel's limit, as for the target itself; the reference shortens the text first.",
  },
  {
    scenario: /^(?:open|stat|access): (?:longer-)?chain$/,
    mode: "ephemeral",
    why: "A link that leads to an absolute link is followed inside the target; the reference follows the second one in the agent's own root.",
  },
  {
    scenario: /^stat: absolute-dir-link\/file$/,
    mode: "ephemeral",
    request: /"follow_symlink":false|"ReadLink"/,
    why: "Absolute links to folders on the way are followed inside the target for lstat and readlink as well.",
  },
  {
    scenario: /^(?:unlink|rename): (?:link|absolute-link|chain|dangling|loop-a|onto a link|path of a link to nothing)$/,
    mode: "ephemeral",
    why: "Unlink and rename act on a link itself, as the system calls do; the reference acts on what the link leads to.",
  },
  {
    scenario: /^(?:mkdir: (?:a dangling link|path of a link to nothing)|rmdir: (?:a link to a folder|path of a link to nothing))$/,
    mode: "ephemeral",
    why: "Making and removing folders does not follow a link at the end, as the system calls do not; the reference follows it.",
  },
  {
    scenario: /^rmdir: folders$/,
    mode: "ephemeral",
    request: /\/dir\/\./,
    ours: /InvalidInput|^22$/,
    why: "rmdir(2) of a path that ends in `.` is EINVAL; the reference drops the dot.",
  },
  {
    scenario: /: path with a NUL$/,
    request: /"(?:StatFs|MakeDir|Unlink|UnlinkAt)"/,
    field: /raw_os_error$/,
    ours: /^null$/,
    why: "No system call saw the path, so there is no errno; the reference is of two minds, and no application can make such a path.",
  },

  // Files: relative to an open folder.
  {
    scenario: /^openat: an empty path$/,
    ours: isErr,
    why: "openat(2) of an empty path is ENOENT; the reference opens the folder itself.",
  },
  {
    scenario: /^openat: (?:a link with an absolute text|an absolute path)$|^up: out of the target's root$/,
    mode: "ephemeral",
    why: "Absolute paths and links in relative opens mean the target's files; with the reference they reach the agent's own.",
  },
  {
    scenario: /^mkdirat: in a folder$/,
    request: /"pathname":""/,
    ours: notFound,
    why: "mkdirat(2) of an empty path is ENOENT; the reference tries to make the folder that it starts from.",
  },
  {
    scenario: /^(?:mkdirat|unlinkat): an absolute path$/,
    mode: "ephemeral",
    why: "An absolute path means the target's file; with the reference it is one of the agent's own.",
  },
  {
    scenario: /^unlinkat: in a folder$/,
    mode: "targetless",
    why: "Removing relative to an open folder works without a target as well; the reference takes the number for one of its own descriptors.",
  },
  {
    scenario: /^fstatat: /,
    mode: "targetless",
    reference: /InvalidInput|NotFound|^null$|^2$/,
    why: "The status of a path relative to an open folder works; without a target the reference resolves it twice and never finds it.",
  },
  {
    scenario: /^openat: relative to a folder that was renamed$|^stat: a folder that was removed$/,
    reference: isErr,
    ours: isOk,
    why: "An open folder stays open when it is renamed or removed, as a descriptor does; the reference keeps a path.",
  },
  {
    scenario: /^getdents: after the folder was closed$/,
    ours: /"NotFound"/,
    why: "Closing a folder ends its entry stream; with the reference it stays until the session ends.",
  },

  // Files: times.
  {
    scenario: /^futimens: times/,
    field: /(?:access|modification)_time$|\.Futimens\b/,
    why: "Times that are asked for are set, and such as are none refused; the reference sets arbitrary ones, whatever was asked.",
  },

  // Environment.
  {
    scenario: /^environment: /,
    mode: "ephemeral",
    field: /GetEnvVarsResponse\.Ok$/,
    reference: /"MIRRORD_AGENT_CHILD_PROCESS":"true"/,
    why: "The reference starts itself again with a mark in the environment that gets into the answer; this agent is one process.",
  },

  // Names.
  {
    scenario: /^lookup: (?:bad name|wild\*card)/,
    field: /kind\.Message$/,
    reference: /node name rejected by hickory/,
    ours: /node name rejected/,
    why: "The text names a library of the reference; clients do not look at it.",
  },
  {
    scenario: /^lookup: a\\/,
    mode: "ephemeral",
    ours: /node name rejected/,
    why: "A backslash is no escape in a host name, and no host has one in its name; the reference asks a server for it.",
  },
  {
    scenario: /^lookup: /,
    mode: "ephemeral",
    field: /NoRecordsFound$/,
    reference: /^3$/,
    ours: /^0$/,
    why: "A name that exists without such an address is told from one that does not exist, whatever became of the search list after it.",
  },
  {
    scenario: /^lookup: bücher\.example$/,
    mode: "ephemeral",
    field: /\.name$/,
    ours: /xn--/,
    why: "Answers name hosts as servers do, in ASCII.",
  },
];

/** Whether an entry is about a divergence. */
export function covers(entry: Difference, mode: Mode, { scenario, request, field, reference, ours }: Divergence): boolean {
  return (
    isOf(entry, mode, scenario) &&
    (entry.request?.test(request) ?? true) &&
    (entry.field?.test(field) ?? true) &&
    (entry.reference?.test(reference) ?? true) &&
    (entry.ours?.test(ours) ?? true)
  );
}

/** Whether an entry may be about a scenario. */
export function isOf(entry: Difference, mode: Mode, scenario: string): boolean {
  return (entry.mode ?? mode) === mode && entry.scenario.test(scenario);
}
