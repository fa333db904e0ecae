// Paths that name nothing, each with what is wrong with it.

export function badPaths(tree: string): readonly (readonly [what: string, path: string])[] {
  return [
    ["missing", `${tree}/missing`],
    ["below what is missing", `${tree}/missing/below`],
    ["below a file", `${tree}/file/below`],
    ["with a slash after a file", `${tree}/file/`],
    ["with a slash after a folder", `${tree}/dir/`],
    ["with doubled slashes", `${tree}//dir///file`],
    ["with dots", `${tree}/./dir/../file`],
    ["up from what is missing", `${tree}/missing/../file`],
    ["up from a file", `${tree}/file/../file`],
    ["up from a link", `${tree}/dir-link/../file`],
    ["in a loop", `${tree}/loop-a`],
    ["below a loop", `${tree}/loop-a/below`],
    ["of a link to nothing", `${tree}/dangling`],
    ["with a name of 256 bytes", `${tree}/${"n".repeat(256)}`],
    ["with a name of 255 bytes", `${tree}/${"n".repeat(255)}`],
    ["of 5000 bytes", `${tree}/${"dir/../".repeat(710)}file`],
    ["with a NUL", `${tree}/file\0`],
    ["with a space", `${tree}/no such file`],
    ["with the character that stands for bad bytes", `${tree}/mixed/not-utf8-\ufffd\ufffd`],
    ["not in ASCII", `${tree}/mixed/ünï cödé`],
  ];
}

/** Paths that are not absolute. */
export const relativePaths: readonly (readonly [what: string, path: string])[] = [
  ["empty", ""],
  ["relative", "understudy/no/such/file"],
  ["relative with a dot", "./understudy/no/such/file"],
];
