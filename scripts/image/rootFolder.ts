// The root folder of the image: Debian's programs of `programs.txt`, Node, and the agent's bundle in /opt/understudy with the paths that it has in the repository, so
// that its launcher finds everything. `/mirrord-agent` is what clients start.

import { chmod, cp, mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { DebianFiles } from "./debianFiles.ts";
import type { DebianPackage } from "./debianPackages.ts";
import type { LayerFiles } from "./ociArchive.ts";
import { type Architecture, type BillOfMaterials, nodeCpu } from "./npmTree.ts";
import { runTool } from "./tool.ts";

export interface RootParts {
  readonly repository: string;
  readonly architecture: Architecture;
  readonly npmTree: string;
  readonly bill: BillOfMaterials;
  readonly packages: readonly DebianPackage[];
  /** Paths and globs of files from packages. */
  readonly programs: readonly string[];
}

const home = "opt/understudy";

/** What runs of npm's packages that are not in the bundle: code, descriptions, native modules. */
const npmCode = /\.(?:js|cjs|mjs|json|node)$/;
const npmLicence = /^licen[cs]e/i;
const npmFolders = new Set(["doc", "include", "musl_arm64", "musl_x64", "share", "vendor"]);

/** Makes it in an empty folder. */
export async function makeRootFolder(
  root: string,
  { repository, architecture, npmTree, bill, packages, programs }: RootParts,
): Promise<void> {
  await makeSkeleton(root);
  const debian = await DebianFiles.open(root, architecture, packages);
  for (const program of programs) await debian.add(program);
  await copyNodeModules(npmTree, join(root, home, "node_modules"));
  await copyAgent(repository, join(root, home));
  for (const entry of await readdir(join(root, home), { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && /^node$|\.node$/.test(entry.name)) await debian.addNeedsOf(join(entry.parentPath, entry.name));
  }
  await debian.addRecords();
  const all = { ...bill, components: [...bill.components, ...debian.used.map(asComponent)] };
  await writeFile(join(root, home, "sbom.cdx.json"), `${JSON.stringify(all, null, 2)}\n`);
  // Whoever made the folder and its sources: filters in jq run as users who are nobody, and need their libraries.
  await runTool("chmod", ["--recursive", "a+rX,go-w", root]);
}

/** What changes with Debian and Node, and what changes with the agent. */
export function layersOf(architecture: Architecture): readonly LayerFiles[] {
  const node = `${home}/node_modules/node-linux-${nodeCpu[architecture]}`;
  const folders = ["bin", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"];
  return [
    [...folders, node],
    [`--exclude=${node}`, "mirrord-agent", "opt"],
  ];
}

async function makeSkeleton(root: string): Promise<void> {
  for (const folder of ["dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "var"]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  for (const folder of ["bin", "lib", "lib64", "sbin"]) await symlink(`usr/${folder}`, join(root, folder));
  // iptables makes its lock where it is missing, which it cannot in a root file system that is read-only.
  await writeFile(join(root, "run/xtables.lock"), "");
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  await writeFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
  // In the shell's own words, since the launcher follows links with a program that is not here.
  await writeFile(join(root, "mirrord-agent"), `#!/bin/sh\nexec /${home}/bin/mirrord-agent "$@"\n`);
  await chmod(join(root, "mirrord-agent"), 0o755);
}

/** Node and what has a native part; of the others, which are in the bundle, the licences. */
async function copyNodeModules(npmTree: string, target: string): Promise<void> {
  const from = join(npmTree, "node_modules");
  await cp(from, target, {
    recursive: true,
    filter: async (path) => {
      const name = basename(path);
      const [first = ""] = relative(from, path).split("/");
      if (name.startsWith(".") || first === "@understudy") return false;
      if ((await stat(path)).isDirectory()) return !npmFolders.has(name);
      if (npmLicence.test(name)) return true;
      return /^koffi$|^@koromix$|^node-linux-/.test(first) && (npmCode.test(name) || path.endsWith("/bin/node"));
    },
  });
}

/** The agent's bundle, without the maps to its sources. */
async function copyAgent(repository: string, target: string): Promise<void> {
  await mkdir(join(target, "bin"), { recursive: true });
  const bundle = "packages/agent/dist/bundle";
  const files = ["LICENSE", "bin/mirrord-agent", "packages/agent/package.json", bundle];
  for (const file of files) {
    await cp(join(repository, file), join(target, file), { recursive: true, filter: (path) => !path.endsWith(".map") });
  }
}

function asComponent({ name, version, architecture }: DebianPackage): object {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
  return { "bom-ref": purl, type: "library", name, version, purl };
}
