// The environment of a process as the kernel shows it in /proc/<pid>/environ, and as specifications list it. Parses; it reads no file.
// Source: proc_pid_environ(5): entries end with NUL.

/**
 * The variables by name; of a name that appears twice, the last. Entries without "=" or without a name are left out, and so are those
 * whose name is not UTF-8, as no client could ask for it. In a value such bytes become U+FFFD: one odd entry does not cost the others.
 */
export function parseEnviron(bytes: Uint8Array): Map<string, string> {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
  const variables = new Map<string, string>();
  for (let start = 0; start < bytes.length;) {
    const nul = bytes.indexOf(0, start);
    const end = nul === -1 ? bytes.length : nul;
    const entry = bytes.subarray(start, end);
    start = end + 1;
    const equals = entry.indexOf(0x3d);
    if (equals <= 0) continue;
    let name: string;
    try {
      name = strict.decode(entry.subarray(0, equals));
    } catch {
      // Not UTF-8: see above.
      continue;
    }
    variables.set(name, lenient.decode(entry.subarray(equals + 1)));
  }
  return variables;
}

/** The same of entries "NAME=value", by the same rules. */
export function parseEntries(entries: readonly string[]): Map<string, string> {
  const variables = new Map<string, string>();
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return variables;
}
