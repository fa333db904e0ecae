import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { CLONE_NEWNET, SystemCallError, pidfdOpen, pidfdSendSignal, setns } from "./index.ts";

test("a pidfd tells whether its process is still there", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const pidfd = pidfdOpen(child.pid ?? assert.fail("no process id"));
  try {
    pidfdSendSignal(pidfd, 0);
    pidfdSendSignal(pidfd, 9);
    await once(child, "exit");
    assert.throws(() => pidfdSendSignal(pidfd, 0), { code: "ESRCH", syscall: "pidfd_send_signal" });
  } finally {
    closeSync(pidfd);
  }
});

test("pidfdOpen of an unused id fails with ESRCH", () => {
  assert.throws(() => pidfdOpen(2 ** 22 + 1), { code: "ESRCH" });
});

test("setns refuses descriptors that are no namespace and namespaces of another kind", () => {
  const before = readlinkSync("/proc/self/ns/net");
  for (const path of ["/dev/null", "/proc/self/ns/uts"]) {
    const fd = openSync(path, "r");
    try {
      assert.throws(
        () => setns(fd, CLONE_NEWNET),
        (error) => error instanceof SystemCallError && error.code === "EINVAL",
      );
    } finally {
      closeSync(fd);
    }
  }
  assert.equal(readlinkSync("/proc/self/ns/net"), before);
});
