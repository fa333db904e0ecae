// An image as one file: an OCI image layout (image-spec v1) in a tar archive, as `ctr images import`, `skopeo` and `podman load` take it. The same
// files give the same bytes: entries are sorted, times are fixed, owners are root.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { toolError } from "./tool.ts";

export interface ImageOptions {
  /** In Debian's and OCI's words, which are the same for both processors. */
  readonly architecture: string;
  /** Full name with a tag. */
  readonly name: string;
  readonly config: object;
  /** Time of every file and of the image, in seconds since 1970. */
  readonly epochSeconds: number;
}

/** Part of a root folder: arguments of tar that choose files. */
export type LayerFiles = readonly string[];

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Writes `archive` from what is in `root`, the lowest layer first. `work` is a folder to work in; it is emptied. */
export async function writeOciArchive(
  root: string,
  layers: readonly LayerFiles[],
  archive: string,
  work: string,
  { architecture, name, config, epochSeconds }: ImageOptions,
): Promise<void> {
  await rm(work, { recursive: true, force: true });
  const blobs = join(work, "blobs/sha256");
  await mkdir(blobs, { recursive: true });

  const descriptors: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const files of layers) {
    const { descriptor, diffId } = await writeLayer(root, files, blobs, epochSeconds);
    descriptors.push(descriptor);
    diffIds.push(diffId);
  }
  const created = new Date(epochSeconds * 1000).toISOString();
  const imageConfig = { created, architecture, os: "linux", config, rootfs: { type: "layers", diff_ids: diffIds } };
  const configDescriptor = await writeJson(blobs, "application/vnd.oci.image.config.v1+json", imageConfig);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await writeJson(blobs, mediaType, { schemaVersion: 2, mediaType, config: configDescriptor, layers: descriptors });
  // The first name is read by skopeo and podman, the second by containerd.
  const annotations = { "org.opencontainers.image.ref.name": name, "io.containerd.image.name": name };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, platform: { os: "linux", architecture }, annotations }] };
  await writeFile(join(work, "index.json"), JSON.stringify(index));
  await writeFile(join(work, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));

  const output = createWriteStream(archive);
  await Promise.all([pipeline(tar(work, (await readdir(work)).sort(), epochSeconds), output), once(output, "close")]);
  await rm(work, { recursive: true });
}

async function writeLayer(
  root: string,
  files: LayerFiles,
  blobs: string,
  epochSeconds: number,
): Promise<{ descriptor: Descriptor; diffId: string }> {
  const plain = createHash("sha256");
  const packed = createHash("sha256");
  const unnamed = join(blobs, "layer");
  await pipeline(
    tar(root, files, epochSeconds),
    observe((chunk) => plain.update(chunk)),
    createGzip({ level: constants.Z_BEST_COMPRESSION }),
    observe((chunk) => packed.update(chunk)),
    createWriteStream(unnamed),
  );
  const digest = packed.digest("hex");
  await rename(unnamed, join(blobs, digest));
  const { size } = await stat(join(blobs, digest));
  const descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: `sha256:${digest}`, size };
  return { descriptor, diffId: `sha256:${plain.digest("hex")}` };
}

async function writeJson(blobs: string, mediaType: string, value: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = createHash("sha256").update(bytes).digest("hex");
  await writeFile(join(blobs, digest), bytes);
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}

/** What tar makes of the files. The stream fails when tar does. */
function tar(folder: string, files: readonly string[], epochSeconds: number): PassThrough {
  const same = ["--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX,go-w", `--mtime=@${epochSeconds}`];
  const child = spawn("tar", ["--create", "--directory", folder, ...same, ...files], { stdio: ["ignore", "pipe", "pipe"] });
  const output = new PassThrough();
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  child.on("error", (error) => output.destroy(toolError("tar", error)));
  child.on("close", (code) => (code === 0 ? output.end() : output.destroy(toolError("tar", errors))));
  child.stdout.pipe(output, { end: false });
  return output;
}

/** Passes everything on and shows it to `see`. */
function observe(see: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      see(chunk);
      done(null, chunk);
    },
  });
}
