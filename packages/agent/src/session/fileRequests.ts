// A client's file requests: one at a time, in their order, and none while what was answered before has not left. What they do is `files/`.

import type { FileRequest, FileResponse } from "@understudy/protocol";
import { AnswerBuffer } from "../files/answerBuffer.ts";
import type { ReusedBuffer, SessionLink } from "../link/sessionLink.ts";
import { WorkInOrder } from "../task/orderedAnswers.ts";
import type { Services, SessionFiles } from "./services.ts";

export interface FileRequestsOptions {
  readonly link: Pick<SessionLink, "signal" | "hasRoom" | "whenRoom">;
  readonly services: Pick<Services, "openFiles" | "answerBuffers" | "work" | "metrics">;
  /** Sends an answer, whose bytes are in `buffer`. */
  readonly send: (response: FileResponse, buffer: ReusedBuffer) => void;
  /** Called after each request. */
  readonly onDone: () => void;
  readonly onError: (error: unknown) => void;
}

/** Of one session. Dispose it when the session has ended; that waits for the request under way. */
export class FileRequests implements AsyncDisposable {
  readonly #options: FileRequestsOptions;
  readonly #inOrder: WorkInOrder;
  readonly #buffer: AnswerBuffer;
  #files: SessionFiles | null = null;

  constructor(options: FileRequestsOptions) {
    this.#options = options;
    this.#inOrder = new WorkInOrder(options.onError);
    this.#buffer = new AnswerBuffer(options.services.answerBuffers);
  }

  /** Requests under way or waiting. */
  get pending(): number {
    return this.#inOrder.pending;
  }

  add(request: FileRequest): void {
    const { link, services } = this.#options;
    this.#files ??= services.openFiles(link.signal);
    const files = this.#files;
    this.#inOrder.add(() => {
      if (link.signal.aborted) return;
      const beganMs = services.work.begin("fileRequest");
      const response = files.handle(request, this.#buffer);
      if (!(response instanceof Promise)) return this.#answer(response, beganMs);
      return response.then((later) => this.#answer(later, beganMs));
    });
  }

  /** To be called when all that was sent has left. */
  allLeft(): void {
    // Once the session has ended, what it had queued may still be on its way although nothing is queued any more.
    if (!this.#options.link.signal.aborted) this.#buffer.reclaim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#inOrder.clear();
    this.#buffer.abandon();
    await this.#files?.[Symbol.asyncDispose]();
  }

  /** Returns a promise where the next request must wait for room. */
  #answer(response: FileResponse | undefined, beganMs: number): void | Promise<void> {
    const { link, services, send, onDone } = this.#options;
    services.metrics.fileRequestSeconds.observe((performance.now() - beganMs) / 1000);
    if (response !== undefined) send(response, this.#buffer);
    this.#buffer.release();
    if (!link.hasRoom || this.#buffer.isOverfull) return this.#roomForNext();
    onDone();
  }

  async #roomForNext(): Promise<void> {
    const { link, onDone } = this.#options;
    if (!link.hasRoom) await this.#room();
    // Of many sessions that read at once, each has room for little.
    while (this.#buffer.isOverfull && !link.signal.aborted) await this.#room();
    onDone();
  }

  /** Resolves when there is room for more data, or the session has ended. */
  #room(): Promise<void> {
    const { link } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        link.signal.removeEventListener("abort", done);
        resolve();
      };
      link.whenRoom(done);
      link.signal.addEventListener("abort", done);
    });
  }
}
