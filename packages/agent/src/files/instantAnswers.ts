// Answers to the file requests that nothing can hold up, in the call that asks: status of a path that the kernel has in its cache, opening and closing files that
// are only read, positions, reads of moderate size. Each is a few system calls, and the promises of the general way cost more than those. What may
// wait, or is not known to be harmless yet, is left to the general way (`files.ts`) as a whole.

import type { FileStatus } from "@understudy/native";
import type { FileRequest, FileResponse, OpenOptionsInternal, ResponseError, Result, U64, XstatRequest } from "@understudy/protocol";
import { remoteKindError } from "../errors/remoteError.ts";
import type { AnswerBuffer } from "./answerBuffer.ts";
import * as contents from "./contents.ts";
import type { DescriptorTable } from "./descriptorTable.ts";
import type { FileSystems } from "./fileSystems.ts";
import type { InstantReads } from "./instantReads.ts";
import { openAtOnce, openFlags } from "./openFile.ts";
import { checkAbsolute, type PathRequests } from "./pathRequests.ts";
import { metadata } from "./status.ts";
import type { Start, TargetPaths } from "./targetPaths.ts";

/** Parts of one session's files. */
export interface InstantAnswersOptions {
  readonly paths: TargetPaths;
  readonly fileSystems: FileSystems;
  readonly byPath: PathRequests;
  readonly table: DescriptorTable;
  readonly instantReads: InstantReads;
  readonly maxReadBytes: number;
  readonly fullTimes: boolean;
  /** What to answer to a request that failed. */
  readonly failure: (request: FileRequest["kind"], error: unknown) => Result<never, ResponseError>;
}

export class InstantAnswers {
  readonly #options: InstantAnswersOptions;

  constructor(options: InstantAnswersOptions) {
    this.#options = options;
  }

  /**
   * To be called only while no other request of the session is under way.
   *
   * @returns undefined for what has no response, null where it may have to wait; then nothing was done.
   */
  answer(request: FileRequest, buffer: AnswerBuffer | null): FileResponse | undefined | null {
    switch (request.kind) {
      case "open":
        return this.#respond(request.kind, "open", () => this.#open("root", request.value.path, request.value.openOptions));
      case "openRelative": {
        const { relativeFd, path, openOptions } = request.value;
        return this.#respond(request.kind, "open", () => this.#open(this.#options.table.directory(relativeFd).fd, path, openOptions));
      }
      case "read":
        return this.#respond(request.kind, "read", () => this.#read(request.value.remoteFd, request.value.bufferSize, null, buffer));
      case "readLimited": {
        const { remoteFd, bufferSize, startFrom } = request.value;
        return this.#respond(request.kind, "readLimited", () => this.#read(remoteFd, bufferSize, startFrom, buffer));
      }
      case "seek":
        return this.#respond(request.kind, "seek", () => {
          const resultOffset = contents.seekAtOnce(this.#options.table.file(request.value.fd), request.value.seekFrom);
          return resultOffset === null ? null : { resultOffset };
        });
      case "xstat":
        return this.#respond(request.kind, "xstat", () => {
          const status = this.#status(request.value);
          return status === null ? null : { metadata: metadata(status, this.#options.fullTimes) };
        });
      case "close":
        return this.#options.table.closeAtOnce(request.value.fd) ? undefined : null;
      default:
        return null;
    }
  }

  #respond<K extends FileResponse["kind"], T>(
    request: FileRequest["kind"],
    kind: K,
    work: () => T | null,
  ): { readonly kind: K; readonly value: Result<T, ResponseError> } | null {
    try {
      const value = work();
      return value === null ? null : { kind, value: { kind: "ok", value } };
    } catch (error) {
      return { kind, value: this.#options.failure(request, error) };
    }
  }

  #open(start: Start, path: string, options: OpenOptionsInternal): { readonly fd: U64 } | null {
    const { paths, fileSystems, table, instantReads } = this.#options;
    const flags = openFlags(options);
    if (start === "root") checkAbsolute(path);
    table.checkRoom();
    const file = openAtOnce({ paths, fileSystems, trust: instantReads.trust }, start, path, flags);
    return file === null ? null : { fd: table.add(file) };
  }

  #read(id: U64, wanted: U64, position: U64 | null, buffer: AnswerBuffer | null): ReturnType<typeof contents.readAtOnce> {
    const { table, instantReads, maxReadBytes: maxBytes } = this.#options;
    return contents.readAtOnce(table.file(id), wanted, position, { maxBytes, instantReads, buffer });
  }

  #status({ path, fd, followSymlink }: XstatRequest): FileStatus | null {
    const { table, fileSystems, byPath } = this.#options;
    if (path !== null) {
      const start = fd === null ? "root" : table.directory(fd).fd;
      return byPath.statusAtOnce(start, path, followSymlink ? "follow" : "name");
    }
    if (fd === null) throw remoteKindError({ kind: "invalidInput" }, "status of nothing");
    return fileSystems.statusAtOnce(table.fileOrDirectory(fd).fd);
  }
}
