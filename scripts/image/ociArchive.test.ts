import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtempDisposable, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { writeOciArchive } from "./ociArchive.ts";

const run = promisify(execFile);

const options = {
  architecture: "amd64",
  name: "localhost/sample:1",
  config: { Cmd: ["./sample"], WorkingDir: "/" },
  epochSeconds: 1_000_000_000,
};

async function makeArchive(folder: string, name: string): Promise<string> {
  const root = join(folder, `root-${name}`);
  await mkdir(join(root, "usr/bin"), { recursive: true });
  await symlink("usr/bin", join(root, "bin"));
  await writeFile(join(root, "usr/bin/sample"), "sample");
  await chmod(join(root, "usr/bin/sample"), 0o755);
  await writeFile(join(root, "private"), name.length.toString(), { mode: 0o600 });
  await utimes(join(root, "private"), Date.now() / 1000, name === "first" ? 1 : 2);
  const archive = join(folder, `${name}.tar`);
  await writeOciArchive(root, [["bin", "usr"], ["private"]], archive, join(folder, `work-${name}`), options);
  return archive;
}

test("the same files give the same archive, whenever they were written", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "understudy-oci-"));
  const [first, again] = [await makeArchive(folder.path, "first"), await makeArchive(folder.path, "again")];
  assert.ok((await readFile(first)).equals(await readFile(again)));
});

const hasSkopeo = process.env["CI"] !== undefined || !spawnSync("skopeo", ["--version"]).error;

test(
  "an archive is read by others, with its name, its layers and what it starts",
  { skip: hasSkopeo ? false : "needs skopeo" },
  async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "understudy-oci-"));
    const archive = await makeArchive(folder.path, "first");
    const source = `oci-archive:${archive}:${options.name}`;
    const inspect = ["inspect", "--override-os", "linux", "--override-arch", "amd64", source];
    const image = JSON.parse((await run("skopeo", inspect)).stdout) as Record<string, unknown>;
    assert.equal(image["Architecture"], "amd64");
    assert.equal(image["Created"], "2001-09-09T01:46:40Z");
    assert.equal((image["Layers"] as unknown[]).length, 2);
    const { config } = JSON.parse((await run("skopeo", [...inspect, "--config"])).stdout) as { config: unknown };
    assert.deepEqual(config, options.config);
    // Copying checks every digest; layers become files.
    const copy = join(folder.path, "copy");
    await run("skopeo", ["copy", "--insecure-policy", source, `dir:${copy}`]);
    const digests = (image["Layers"] as string[]).map((digest) => digest.replace("sha256:", ""));
    const lists = await Promise.all(digests.map((digest) => run("tar", ["-tvf", join(copy, digest), "--numeric-owner"])));
    assert.match(lists[0]?.stdout ?? "", /^l\S+ 0\/0 .* bin -> usr\/bin\n/);
    assert.match(lists[0]?.stdout ?? "", /-rwxr-xr-x 0\/0 .* usr\/bin\/sample\n/);
    assert.match(lists[1]?.stdout ?? "", /^-rw-r--r-- 0\/0 .* private\n$/);
  },
);

test("files that are not there fail instead of being left out", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "understudy-oci-"));
  const write = writeOciArchive(folder.path, [["nothing"]], join(folder.path, "archive"), join(folder.path, "work"), options);
  await assert.rejects(write, /tar failed: .*nothing/);
});
