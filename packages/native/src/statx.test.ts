import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AT_EMPTY_PATH, AT_FDCWD, AT_STATX_DONT_SYNC, AT_SYMLINK_NOFOLLOW, O_PATH, openat2Sync, statx, statxSync } from "./index.ts";

/** What statx has to agree with. */
function byNode(stats: fs.BigIntStats): readonly bigint[] {
  const { dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, atimeNs, mtimeNs, ctimeNs } = stats;
  return [dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks, atimeNs, mtimeNs, ctimeNs];
}

function byStatx(status: ReturnType<typeof statxSync>): readonly bigint[] {
  const { device, inode, mode, links, user, group, specialDevice, size, blockSize, blocks } = status;
  const times = [status.accessed, status.modified, status.changed];
  return [
    ...[device, inode, mode, links, user, group, specialDevice, size, blockSize, blocks].map(BigInt),
    ...times.map(({ seconds, nanoseconds }) => BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)),
  ];
}

test("statx agrees with stat for files of all kinds", async () => {
  for (const path of ["/etc/passwd", "/dev/null", "/dev/zero", "/etc", "/"]) {
    const expected = byNode(fs.statSync(path, { bigint: true }));
    assert.deepEqual(byStatx(statxSync(AT_FDCWD, path, 0)), expected, path);
    assert.deepEqual(byStatx(await statx(AT_FDCWD, path, AT_STATX_DONT_SYNC)), expected, path);
    const fd = openat2Sync(AT_FDCWD, path, O_PATH, 0, 0);
    assert.deepEqual(byStatx(statxSync(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC)), expected, path);
    fs.closeSync(fd);
  }
  const link = statxSync(AT_FDCWD, "/proc/self", AT_SYMLINK_NOFOLLOW);
  assert.equal(link.mode & 0o170000, 0o120000);
});

test("times before 1970 and far sizes are exact", () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "understudy-statx-"));
  try {
    const path = join(directory, "file");
    fs.writeFileSync(path, "");
    fs.utimesSync(path, new Date(-1500), new Date("2400-01-01T00:00:00.250Z"));
    assert.deepEqual(byStatx(statxSync(AT_FDCWD, path, 0)), byNode(fs.statSync(path, { bigint: true })));
    assert.deepEqual(statxSync(AT_FDCWD, path, 0).accessed, { seconds: -2, nanoseconds: 500_000_000 });
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
});

test("statx fails with the errno of the kernel", async () => {
  assert.throws(() => statxSync(AT_FDCWD, "/nowhere", 0), { name: "SystemCallError", errno: 2, syscall: "statx" });
  await assert.rejects(statx(AT_FDCWD, "/etc/passwd/x", 0), { errno: 20 });
});
