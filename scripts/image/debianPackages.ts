// Debian packages, unpacked beside one another: which ones are needed is found out by apt as for a machine that has none, with the sources that
// this machine has. Nothing is installed, and no script of a package runs; so packages of another processor are taken just as well.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./tool.ts";

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The package's own description of itself, in the form of dpkg's status file. */
  readonly control: string;
  /** Where its files are. */
  readonly folder: string;
}

/** Downloads and unpacks packages and all they depend on. `folder` may be kept: what is there already is not downloaded again. */
export async function unpackDebianPackages(names: readonly string[], architecture: string, folder: string): Promise<DebianPackage[]> {
  const apt = await privateApt(architecture, folder);
  await runTool("apt-get", [...apt, "--quiet=2", "update"]);
  const install = [...apt, "--yes", "--no-install-recommends"];
  const plan = await runTool("apt-get", [...install, "--simulate", "install", ...names]);
  await runTool("apt-get", [...install, "--quiet=2", "--download-only", "install", ...names]);
  const planned = [...plan.matchAll(/^Inst (\S+) \((\S+) .*\[(\w+)\]\)/gm)];
  return Promise.all(
    planned.map(async ([, name = "", version = "", own = ""]): Promise<DebianPackage> => {
      const stem = `${name}_${version.replaceAll(":", "%3a")}_${own}`;
      const archive = join(folder, "cache/archives", `${stem}.deb`);
      const target = join(folder, "unpacked", stem);
      const control = await runTool("dpkg-deb", ["--field", archive]);
      await mkdir(target, { recursive: true });
      await runTool("dpkg-deb", ["--extract", archive, target]);
      return { name, version, architecture: own, control, folder: target };
    }),
  );
}

/** Options that give apt a state of its own: no package is installed, and lists and downloads are in `folder`. */
async function privateApt(architecture: string, folder: string): Promise<string[]> {
  for (const part of ["state/lists/partial", "cache/archives/partial"]) await mkdir(join(folder, part), { recursive: true });
  const status = join(folder, "status");
  await writeFile(status, "");
  const options = {
    "Dir::State": join(folder, "state"),
    "Dir::State::status": status,
    "Dir::Cache": join(folder, "cache"),
    "APT::Architecture": architecture,
    "APT::Architectures": architecture,
    // The folder is this user's: no other one could write to it.
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
  };
  return Object.entries(options).map(([name, value]) => `--option=${name}=${value}`);
}
