// For tests: a file system that does not answer, in mount namespaces of its own. The tests' process is its FUSE server: it agrees to serve and
// then stays silent. Everything that waits for it is set free when it is disposed.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { O_NONBLOCK, O_RDWR } from "node:constants";

// linux/fuse.h
const inHeaderBytes = 40;
const outHeaderBytes = 16;
const initReplyBytes = 64;
const FUSE_INIT = 26;
const protocolMajor = 7;
/** Old enough to be spoken by every kernel. */
const protocolMinor = 31;
const requestMaxBytes = 256 * 1024;

/** Mounts a file system for each place, then runs until its input ends. Descriptors from 3 on are the servers' connections. */
const mounting = `
  set -e
  mount --make-rprivate /
  fd=3
  for place in "$@"; do
    mount -i -t fuse -o "fd=$fd,rootmode=40000,user_id=0,group_id=0,allow_other" silent "$place"
    fd=$((fd + 1))
  done
  exec 3>&- 4>&- 5>&- 6>&-
  echo mounted
  exec cat
`;

/** Why this machine cannot have one; false where it can. In CI it must. */
export const withoutFuse: string | false =
  process.env["CI"] !== undefined || (process.getuid?.() === 0 && fs.existsSync("/dev/fuse")) ? false : "needs root and /dev/fuse";

/** Up to four file systems that were mounted and do not answer. */
export class DeadFileSystems implements AsyncDisposable {
  /** Runs with the file systems in its mount namespace: a target. */
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #connections: number[];

  private constructor(child: ChildProcess, pid: number, connections: number[]) {
    this.#child = child;
    this.pid = pid;
    this.#connections = connections;
  }

  /** @param places directories of this machine on which they are mounted, for the target alone. */
  static async mount(...places: readonly string[]): Promise<DeadFileSystems> {
    const connections = places.map(() => fs.openSync("/dev/fuse", O_RDWR | O_NONBLOCK));
    const child = spawn("unshare", ["--mount", "sh", "-c", mounting, "sh", ...places], {
      stdio: ["pipe", "pipe", "inherit", ...connections],
    });
    assert.ok(child.pid !== undefined && child.stdout !== null);
    const dead = new DeadFileSystems(child, child.pid, connections);
    try {
      await once(child.stdout, "data");
      for (const connection of connections) agreeToServe(connection);
    } catch (error) {
      await dead[Symbol.asyncDispose]();
      throw error;
    }
    return dead;
  }

  /** Takes requests without answering them: a caller whose request was taken cannot be interrupted any more. */
  takeRequests(): void {
    for (const connection of this.#connections) {
      try {
        for (;;) fs.readSync(connection, Buffer.alloc(requestMaxBytes));
      } catch {
        // There is none just now.
      }
    }
  }

  /** The servers die: whoever waits gets an error. */
  release(): void {
    for (const connection of this.#connections.splice(0)) fs.closeSync(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin?.end();
    await once(this.#child, "exit");
  }
}

function agreeToServe(connection: number): void {
  const request = Buffer.alloc(requestMaxBytes);
  fs.readSync(connection, request);
  assert.equal(request.readUInt32LE(4), FUSE_INIT);
  const reply = Buffer.alloc(outHeaderBytes + initReplyBytes);
  reply.writeUInt32LE(reply.length, 0);
  request.copy(reply, 8, 8, 16);
  reply.writeUInt32LE(protocolMajor, outHeaderBytes);
  reply.writeUInt32LE(protocolMinor, outHeaderBytes + 4);
  reply.writeUInt32LE(request.readUInt32LE(inHeaderBytes + 8), outHeaderBytes + 8);
  reply.writeUInt16LE(16, outHeaderBytes + 16);
  reply.writeUInt16LE(12, outHeaderBytes + 18);
  reply.writeUInt32LE(4096, outHeaderBytes + 20);
  fs.writeSync(connection, reply);
}
