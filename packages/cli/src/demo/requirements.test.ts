import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { missingRequirements } from "./requirements.ts";

suite("what the demo needs", () => {
  test("each missing program is named with its package", async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), "requirements-"));
    for (const tool of ["ip", "unshare", "mount"]) await writeFile(join(directory.path, tool), "", { mode: 0o755 });
    const missing = await missingRequirements({ platform: "linux", isRoot: true, path: `/nonexistent:${directory.path}` });
    assert.deepEqual(missing, [
      "the demo needs the program nft (Debian package nftables)",
      "the demo needs the program nsenter (Debian package util-linux)",
    ]);
  });

  test("another system than Linux is told that, and nothing else", async () => {
    const missing = await missingRequirements({ platform: "darwin", isRoot: false, path: "/nonexistent" });
    assert.deepEqual(missing, ["the demo is made of Linux namespaces and this is darwin: run it on Linux, a virtual machine will do"]);
  });
});
