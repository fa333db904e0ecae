// The tree of another commit, in a folder of its own that vanishes afterwards: nothing of the repository or its work tree changes. It uses the installed packages of this
// tree by links, and is measured by this tree's benchmarks.

import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const SCOPE = "@understudy";

export interface BaseTree extends AsyncDisposable {
  readonly path: string;
  /** The commit. */
  readonly commit: string;
}

/** @throws Error that says so when there is no such commit. */
export async function checkOutBase(home: string, base: string): Promise<BaseTree> {
  const commit = await resolveCommit(home, base);
  const path = await mkdtemp(join(tmpdir(), "understudy-base-"));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
  try {
    await run("git", ["clone", "--quiet", "--shared", "--no-checkout", home, path]);
    await run("git", ["-C", path, "checkout", "--quiet", "--detach", commit]);
    await linkPackages(home, path);
    // The same measurements for both.
    await rm(join(path, "bench"), { recursive: true, force: true });
    await cp(join(home, "bench"), join(path, "bench"), { recursive: true, filter: (source) => !source.includes("/dist") });
    return { path, commit, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function resolveCommit(home: string, base: string): Promise<string> {
  try {
    const { stdout } = await run("git", ["-C", home, "rev-parse", "--verify", "--quiet", "--end-of-options", `${base}^{commit}`]);
    return stdout.trim();
  } catch (error) {
    throw new Error(`there is no commit "${base}"`, { cause: error });
  }
}

/** Links everything that is installed, but for our own packages: those are the base's. */
async function linkPackages(home: string, path: string): Promise<void> {
  const modules = join(path, "node_modules");
  await mkdir(join(modules, SCOPE), { recursive: true });
  for (const name of await readdir(join(home, "node_modules"))) {
    if (name !== SCOPE) await symlink(join(home, "node_modules", name), join(modules, name));
  }
  const manifest = JSON.parse(await readFile(join(path, "package.json"), "utf8")) as { readonly workspaces: readonly string[] };
  for (const workspace of manifest.workspaces) {
    const { name } = JSON.parse(await readFile(join(path, workspace, "package.json"), "utf8")) as { readonly name: string };
    await symlink(join(path, workspace), join(modules, name));
  }
}
