// The certificates that a port's configuration trusts, out of files of the target and directories one level deep. What cannot be read is left out and reported:
// one bad file among many should not close a port.

import { certificatesOf } from "./pem.ts";

/** Files of the target, inside its root. */
export interface TargetFiles {
  /** The start of a regular file. Rejects with an error that has an errno. */
  readonly read: (path: string, maxBytes: number) => Promise<Uint8Array>;
  /** Names in a directory; rejects with ENOTDIR for anything else. */
  readonly list: (path: string) => Promise<readonly string[]>;
}

/** Larger files than this are no certificates. */
export const PEM_MAX_BYTES = 1024 * 1024;
/** Most files of one directory. */
const FILES_MAX = 1024;

/**
 * All certificates in PEM of files and directories.
 *
 * @param leftOut hears of each path that gave none, and why.
 */
export async function readTrustRoots(
  files: TargetFiles,
  paths: readonly string[],
  leftOut: (path: string, error: string) => void,
): Promise<readonly string[]> {
  const roots: string[] = [];
  for (const path of paths) {
    for (const file of await filesAt(files, path, leftOut)) {
      try {
        const found = certificatesOf(await files.read(file, PEM_MAX_BYTES));
        if (found.length === 0) leftOut(file, "there is no certificate in it");
        roots.push(...found);
      } catch (error) {
        leftOut(file, String(error));
      }
    }
  }
  return roots;
}

async function filesAt(files: TargetFiles, path: string, leftOut: (path: string, error: string) => void): Promise<readonly string[]> {
  try {
    const names = await files.list(path);
    if (names.length > FILES_MAX) leftOut(path, `only the first ${FILES_MAX} of ${names.length} files are read`);
    return names
      .toSorted()
      .slice(0, FILES_MAX)
      .map((name) => `${path.replace(/\/+$/, "")}/${name}`);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOTDIR") return [path];
    leftOut(path, String(error));
    return [];
  }
}
