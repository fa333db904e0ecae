// The files that scenarios work on: made anew for each, so that none sees what another did.

import { execFile } from "node:child_process";
import { chmod, link, lutimes, mkdir, open, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Access and modification time of what is in the tree, in seconds: the part within the second tells one from the other. */
export const treeTimes = { access: 1_700_000_000.25, modification: 1_700_000_001.5 } as const;

/** Size of `big`, of which all but the last bytes are a hole. */
export const bigSize = 5_000_000_003;

/**
 * Makes the tree in an empty directory. `path` is where the test makes it, `seenAs` how the agent names it. Disposing closes the listening
 * unix socket in it and removes it.
 */
export async function makeTree(path: string, seenAs: string): Promise<AsyncDisposable> {
  await using made = new AsyncDisposableStack();
  made.defer(async () => {
    try {
      await rm(path, { recursive: true, force: true });
    } catch {
      // Scenarios make folders that their owner may not list.
      await run("chmod", ["-R", "u+rwX", path]);
      await rm(path, { recursive: true, force: true });
    }
  });
  await mkdir(path, { mode: 0o755 });
  for (const folder of ["dir", "dir/inner", "empty", "same", "mixed", "mixed/folder", "full", "sticky"]) await mkdir(`${path}/${folder}`);
  await writeFile(`${path}/file`, "0123456789");
  await writeFile(`${path}/nothing`, "");
  await writeFile(`${path}/secret`, "secret");
  await writeFile(`${path}/program`, "#!/bin/sh\n");
  await writeFile(`${path}/lines`, "one\ntwo\nthree\n");
  await writeFile(`${path}/dir/file`, "in dir");
  await writeFile(`${path}/dir/inner/deep`, "deep");
  await writeFile(`${path}/full/entry`, "");
  for (let i = 1; i <= 9; i++) await writeFile(`${path}/same/same-${i}`, "");
  await writeFile(`${path}/mixed/plain`, "plain");
  await writeFile(Buffer.concat([Buffer.from(`${path}/mixed/not-utf8-`), Buffer.from([0xff, 0xfe])]), "bytes");
  await writeFile(`${path}/mixed/ünï cödé`, "");
  await symlink("plain", `${path}/mixed/link`);
  await link(`${path}/file`, `${path}/hard`);
  const big = await open(`${path}/big`, "w");
  await big.write("end", bigSize - 3);
  await big.close();

  await symlink("file", `${path}/link`);
  await symlink(`${seenAs}/file`, `${path}/absolute-link`);
  await symlink("absolute-link", `${path}/chain`);
  await symlink("chain", `${path}/longer-chain`);
  await symlink("dir", `${path}/dir-link`);
  await symlink(`${seenAs}/dir`, `${path}/absolute-dir-link`);
  await symlink(`${seenAs}/file`, `${path}/dir/absolute-link`);
  await symlink("../file", `${path}/dir/up-link`);
  await symlink("missing", `${path}/dangling`);
  await symlink("loop-b", `${path}/loop-a`);
  await symlink("loop-a", `${path}/loop-b`);
  await symlink("self", `${path}/self`);

  await run("mkfifo", ["-m", "644", `${path}/fifo`, `${path}/mixed/fifo`]);
  const server = createServer((socket) => void socket.on("error", () => undefined).pipe(socket));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(`${path}/socket`, resolve));
  made.defer(() => void server.close());

  await chmod(`${path}/secret`, 0);
  await chmod(`${path}/program`, 0o755);
  await chmod(`${path}/sticky`, 0o1777);
  await chmod(`${path}/socket`, 0o755);
  const { access, modification } = treeTimes;
  for (const link of ["link", "absolute-link", "dangling"]) await lutimes(`${path}/${link}`, access, modification);
  const timed = [
    "file",
    "nothing",
    "secret",
    "program",
    "lines",
    "dir/file",
    "dir/inner",
    "dir",
    "empty",
    "same",
    "full",
    "sticky",
    "big",
    "",
  ];
  for (const name of timed) await utimes(`${path}/${name}`, access, modification);
  const moved = made.move();
  return { [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
