// Makes the container image of the agent without a container engine and without a registry. Needs apt, dpkg, npm and a finished build (`make build`).
//
// It is for Debian 12: the packages are those of this machine's own sources. The Dockerfile uses the same root folder.

import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { lockFolder } from "./buildLock.ts";
import { unpackDebianPackages } from "./debianPackages.ts";
import { type Architecture, installNpmTree } from "./npmTree.ts";
import { writeOciArchive } from "./ociArchive.ts";
import { layersOf, makeRootFolder } from "./rootFolder.ts";

const usage = `Usage: node scripts/image/build.ts [OPTIONS]

Makes dist/image/understudy-agent-<ARCH>.oci.tar, an OCI archive for \`ctr images import\`, \`skopeo copy oci-archive:…\` and \`podman load\`.

Options:
  --arch <ARCH>     amd64 or arm64 [default: this machine's]
  --archive <FILE>  Write the archive there
  --root <FOLDER>   Make only the root folder, there; it must be empty or new
  --name <NAME>     Name of the image in the archive [default: localhost/understudy-agent:<version>]
  --help            Print this text
`;

const repository = fileURLToPath(new URL("../..", import.meta.url));
const work = join(repository, "dist/image");

try {
  await build();
} catch (error) {
  process.stderr.write(`image: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function build(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { arch: text, archive: text, root: text, name: text, help: { type: "boolean" } } });
  if (values.help === true) return void process.stdout.write(usage);
  const architecture = asArchitecture(values.arch ?? process.arch);
  const { version } = JSON.parse(await readFile(join(repository, "package.json"), "utf8")) as { version: string };

  await using _lock = await lockFolder(work);
  if (values.root !== undefined) return await fillRoot(await emptyFolder(resolve(values.root)), architecture);
  const root = join(work, `root-${architecture}`);
  await rm(root, { recursive: true, force: true });
  await fillRoot(await emptyFolder(root), architecture);
  const archive = resolve(values.archive ?? join(work, `understudy-agent-${architecture}.oci.tar`));
  await writeOciArchive(root, layersOf(architecture), archive, join(work, `layout-${architecture}`), {
    architecture,
    name: values.name ?? `localhost/understudy-agent:${version}`,
    config: {
      Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["./mirrord-agent"],
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": "understudy-agent",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "MIT",
      },
    },
    epochSeconds: Number(process.env["SOURCE_DATE_EPOCH"] ?? 0),
  });
  await rm(root, { recursive: true });
  process.stdout.write(`${archive}: ${((await stat(archive)).size / 1e6).toFixed(1)} MB\n`);
}

/** What is in it already would be in the image. */
async function emptyFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  if ((await readdir(path)).length > 0) throw new Error(`${path} is not empty`);
  return path;
}

async function fillRoot(root: string, architecture: Architecture): Promise<void> {
  const lines = (await readFile(new URL("programs.txt", import.meta.url), "utf8")).split("\n").filter((line) => /^[^#]/.test(line));
  const wanted = lines.map((line) => line.trim().split(/\s+/));
  const names = wanted.flatMap(([name = ""]) => name);
  // One after the other, so that a missing tool is told once.
  const packages = await unpackDebianPackages(names, architecture, join(work, `debian-${architecture}`));
  const npmTree = join(work, `npm-${architecture}`);
  const bill = await installNpmTree(repository, architecture, npmTree);
  const programs = wanted.flatMap(([, ...paths]) => paths);
  await makeRootFolder(root, { repository, architecture, npmTree, bill, packages, programs });
}

function asArchitecture(text: string): Architecture {
  const names: Readonly<Record<string, Architecture>> = { amd64: "amd64", x64: "amd64", arm64: "arm64" };
  const architecture = names[text];
  if (architecture === undefined) throw new Error(`the image is made for amd64 and arm64, not for ${text}`);
  return architecture;
}
