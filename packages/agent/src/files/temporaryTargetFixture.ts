// For the tests of this folder: a directory tree that stands for a target's root, with a secret beside it that nothing may reach, and the
// files of one session on it.

import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { O_DIRECTORY, O_PATH, openat2Sync, AT_FDCWD } from "@understudy/native";
import type { FileRequest, FileResponse, OpenOptionsInternal, ResponseError, U64 } from "@understudy/protocol";
import type { Log } from "../log/log.ts";
import { Gauge } from "../metrics/instruments.ts";
import { ThreadPool } from "../task/threadPool.ts";
import { createFiles, type Files, type FilesLimits } from "./files.ts";
import { InstantReads } from "./instantReads.ts";
import type { Walker } from "./targetPaths.ts";

export const noOptions: OpenOptionsInternal = {
  read: false,
  write: false,
  append: false,
  truncate: false,
  create: false,
  createNew: false,
};
export const readOnly: OpenOptionsInternal = { ...noOptions, read: true };

/** Refuses events: nothing that a client does is the admin's business. */
const log: Log = {
  isDebug: true,
  isTrace: false,
  trace: () => undefined,
  debug: () => undefined,
  event: (code) => assert.fail(`a client caused the event ${code}`),
  child: () => log,
};

type ResponseKind = FileResponse["kind"];
type ResponseOf<K extends ResponseKind> = Extract<FileResponse, { kind: K }>["value"];
type OkOf<K extends ResponseKind> = Extract<ResponseOf<K>, { kind: "ok" }>["value"];

export interface SessionOptions {
  /** Default: 64 open files. */
  readonly limits?: FilesLimits;
  readonly fullTimes?: boolean;
  /** Default: a pool that this session has for itself. */
  readonly threads?: ThreadPool;
  readonly walker?: Walker;
}

/** One session's files with shorthands that check the kind of each response. */
export class SessionUnderTest implements AsyncDisposable {
  readonly files: Files;
  readonly ended = new AbortController();

  constructor(rootFd: number, openFds: Gauge, options: SessionOptions) {
    const { limits = { maxOpenFiles: 64 }, fullTimes = false, threads = new ThreadPool(), walker = "kernel" } = options;
    const instantReads = new InstantReads({ slowMs: Infinity });
    const { signal } = this.ended;
    this.files = createFiles({ rootFd, log, openFds, limits, instantReads, fullTimes, threads, walker, signal });
  }

  /** The result in the response, which must be of the given kind. */
  async result<K extends ResponseKind>(kind: K, request: FileRequest): Promise<ResponseOf<K>> {
    const response = await this.files.handle(request);
    assert.equal(response?.kind, kind);
    return response?.value as ResponseOf<K>;
  }

  async ok<K extends ResponseKind>(kind: K, request: FileRequest): Promise<OkOf<K>> {
    const result = await this.result(kind, request);
    assert.equal(result.kind, "ok", `${JSON.stringify(request, bigintText)} gave ${JSON.stringify(result.value, bigintText)}`);
    return result.value;
  }

  async error(kind: ResponseKind, request: FileRequest): Promise<ResponseError> {
    const result = await this.result(kind, request);
    assert.equal(result.kind, "err", JSON.stringify(request, bigintText));
    return result.value;
  }

  /** The errno of the failure; null where it has none. */
  async errno(kind: ResponseKind, request: FileRequest): Promise<number | null> {
    const error = await this.error(kind, request);
    assert.equal(error.kind, "remoteIO");
    return error.kind === "remoteIO" ? error.value.rawOsError : null;
  }

  async open(file: string, options: Partial<OpenOptionsInternal> = readOnly): Promise<U64> {
    const { fd } = await this.ok("open", { kind: "open", value: { path: file, openOptions: { ...noOptions, ...options } } });
    return fd;
  }

  async readText(fd: U64, bufferSize: U64 = 65536): Promise<string> {
    const { bytes, readAmount } = await this.ok("read", { kind: "read", value: { remoteFd: fd, bufferSize } });
    assert.equal(bytes.length, readAmount);
    return Buffer.from(bytes).toString();
  }

  async write(fd: U64, text: string): Promise<void> {
    const { writtenAmount } = await this.ok("write", { kind: "write", value: { fd, writeBytes: Buffer.from(text) } });
    assert.equal(writtenAmount, Buffer.byteLength(text));
  }

  async close(fd: U64): Promise<void> {
    assert.equal(await this.files.handle({ kind: "close", value: { fd } }), undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.files[Symbol.asyncDispose]();
  }
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** A target's root in a temporary directory. Dispose its sessions first. */
export class TemporaryTarget implements Disposable {
  /** Holds `root` and what is outside. */
  readonly base: string;
  readonly root: string;
  readonly secret = "secret of the agent";
  readonly secretPath: string;
  readonly rootFd: number;
  readonly openFds = new Gauge();

  /** @param root another root than one of its own, which is left alone. */
  constructor(root?: string) {
    this.base = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), "understudy-files-")));
    this.root = root ?? path.join(this.base, "root");
    fs.mkdirSync(this.root, { recursive: true });
    fs.mkdirSync(path.join(this.base, "outside"));
    this.secretPath = path.join(this.base, "outside", "secret");
    fs.writeFileSync(this.secretPath, this.secret);
    this.rootFd = openat2Sync(AT_FDCWD, this.root, O_PATH | O_DIRECTORY, 0, 0);
  }

  /** Place of a target's path on this machine. */
  at(inner: string): string {
    return path.join(this.root, inner);
  }

  session(options: SessionOptions = {}): SessionUnderTest {
    return new SessionUnderTest(this.rootFd, this.openFds, options);
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.rootFd);
    fs.rmSync(this.base, { recursive: true, force: true });
  }
}

/** Descriptors of this process that lead below a directory, the target's root itself left out. */
export function descriptorsBelow(directory: string): string[] {
  const paths = fs.readdirSync("/proc/self/fd").map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor that listed the directory is gone already.
      return "";
    }
  });
  return paths.filter((found) => found.startsWith(`${directory}/`));
}
