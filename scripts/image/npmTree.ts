// The npm packages that the agent runs with, as the lock file has them, for any processor; and the list of them as a bill of materials.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runTool } from "./tool.ts";

/** Packages of this repository that are in the image's bundle, in `packages/`. */
const ownPackages = ["protocol", "native", "agent"] as const;

/** Node's and npm's word for a processor. */
export const nodeCpu = { amd64: "x64", arm64: "arm64" } as const;

export type Architecture = keyof typeof nodeCpu;

/** CycloneDX 1.5, as much of it as is used here. */
export interface BillOfMaterials {
  serialNumber?: string;
  readonly metadata: { timestamp?: string };
  readonly components: object[];
}

interface PackageJson {
  workspaces?: string[];
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Installs into `folder`, which is made anew; its `node_modules` is what the image needs and some files more. */
export async function installNpmTree(repository: string, architecture: Architecture, folder: string): Promise<BillOfMaterials> {
  await rm(folder, { recursive: true, force: true });
  const { workspaces = [] } = await readPackage(join(repository, "package.json"));
  // npm compares the lock file with every package.json that it knows of.
  for (const file of ["package.json", "package-lock.json", ".npmrc", ...workspaces.map((workspace) => join(workspace, "package.json"))]) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(repository, file), join(folder, file));
  }
  const platform = ["--os=linux", `--cpu=${nodeCpu[architecture]}`, "--libc=glibc"];
  const which = ["--omit=dev", "--workspace=@understudy/agent", "--include-workspace-root"];
  await runTool("npm", ["ci", "--ignore-scripts", "--prefer-offline", "--loglevel=error", ...platform, ...which], { cwd: folder });
  return listed(folder, platform);
}

async function listed(folder: string, platform: readonly string[]): Promise<BillOfMaterials> {
  // npm refuses to list a tree that lacks something, even what was left out on purpose.
  const rest = ownPackages.map((name) => `packages/${name}`);
  for (const workspace of ["", ...rest]) {
    const path = join(folder, workspace, "package.json");
    const { devDependencies: _, ...content } = await readPackage(path);
    if (workspace === "") content.workspaces = rest;
    await writeFile(path, JSON.stringify(content));
  }
  const bill = JSON.parse(await runTool("npm", ["sbom", "--sbom-format=cyclonedx", ...platform], { cwd: folder })) as BillOfMaterials;
  // What differs from one run to the next.
  delete bill.serialNumber;
  delete bill.metadata.timestamp;
  return bill;
}

async function readPackage(path: string): Promise<PackageJson> {
  return JSON.parse(await readFile(path, "utf8")) as PackageJson;
}
