// The connection to an agent as messages: decodes what comes, encodes what goes, and ends once, with one reason. It knows no
// message's meaning.

import type { Duplex } from "node:stream";
import { ClientMessage, DaemonMessage, daemonRelays, StreamDecoder, Writer } from "@understudy/protocol";
import { ViewSocket } from "./viewSocket.ts";
import { SessionClosedError } from "./errors.ts";
import { freshMemory, type ReceiveMemory } from "./reusedBuffers.ts";
import { TurnCork } from "./turnCork.ts";

/** How long `close` waits for the last bytes to leave and for the agent to hang up. */
const CLOSE_MAX_MS = 1000;

export interface LinkOptions {
  readonly maxMessageBytes: number;
  /** Payloads of `data` and `read` messages may come in several pieces, which lie in `AgentLink.memory`. */
  readonly onMessage: (message: DaemonMessage) => void;
  /** Called once. */
  readonly onEnd: (reason: SessionClosedError) => void;
}

/** Called with null when the bytes have left for the agent, with the reason when they never will. */
type OnWritten = (error: Error | null) => void;

/** Owns `stream`. */
export class AgentLink {
  readonly #stream: Duplex;
  readonly #options: LinkOptions;
  readonly #decoder: StreamDecoder<DaemonMessage>;
  readonly #writer = new Writer();
  /** Kept so that a stream that forgets its callbacks leaves nobody waiting. */
  readonly #unwritten = new Set<OnWritten>();
  readonly #cork: TurnCork;
  #isPaused = false;
  #end: SessionClosedError | null = null;
  /** Why this side is about to end the session. */
  #leaving: SessionClosedError | null = null;
  #chunksReceived = 0;

  constructor(stream: Duplex, options: LinkOptions) {
    this.#stream = stream;
    this.#cork = new TurnCork(stream);
    this.#options = options;
    this.#decoder = new StreamDecoder(DaemonMessage, { relays: daemonRelays, maxMessageBytes: options.maxMessageBytes });
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    if (stream instanceof ViewSocket) stream.takeBytes((bytes) => this.#receive(bytes));
    stream.on("end", () => this.#onStreamEnd());
    stream.on("error", (error: Error) => {
      this.finish(new SessionClosedError("connectionLost", `the connection to the agent failed: ${error.message}`, { cause: error }));
    });
    stream.on("close", () => this.finish(new SessionClosedError("connectionLost", "the connection to the agent was closed")));
  }

  /** What pieces of payloads lie in. */
  get memory(): ReceiveMemory {
    return this.#stream instanceof ViewSocket ? this.#stream.memory : freshMemory;
  }

  /** Why nothing more can be sent; null while the session lives. */
  get end(): SessionClosedError | null {
    return this.#end ?? this.#leaving;
  }

  /** Grows with everything that comes; tells whether the agent is alive. */
  get chunksReceived(): number {
    return this.#chunksReceived;
  }

  /**
   * Sends a message after all earlier ones. Large payloads are passed on by reference and must not change until `onWritten`.
   * @throws EncodeError when the message has no form on the wire; nothing was sent.
   */
  post(message: ClientMessage, onWritten: OnWritten = () => undefined): void {
    if (this.end !== null) {
      onWritten(this.end);
      return;
    }
    try {
      ClientMessage.write(this.#writer, message);
    } catch (error) {
      this.#writer.discard();
      throw error;
    }
    this.#cork.hold();
    this.#unwritten.add(onWritten);
    const segments = this.#writer.take();
    const last = segments.pop() as Uint8Array;
    for (const segment of segments) this.#stream.write(segment);
    this.#stream.write(last, (error) => {
      if (this.#unwritten.delete(onWritten)) onWritten(error == null ? null : (this.#end ?? error));
    });
  }

  /** `post` as a promise: resolves when the bytes have left. Awaiting it is the back pressure of sending. */
  send(message: ClientMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.post(message, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** Stops or resumes reading the agent. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) this.#stream.pause();
    else this.#stream.resume();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Ends the session at once. Later calls change nothing. */
  finish(reason: SessionClosedError): void {
    if (this.#end !== null) return;
    this.#end = this.#leaving ?? reason;
    this.#stream.destroy();
    const unwritten = [...this.#unwritten];
    this.#unwritten.clear();
    for (const onWritten of unwritten) onWritten(this.#end);
    this.#options.onEnd(this.#end);
  }

  /** Says good-bye after all that was sent before, and ends the session when the agent has hung up. What still comes is dropped. */
  async close(reason: SessionClosedError): Promise<void> {
    if (this.end !== null) return;
    this.post({ kind: "close" });
    this.#leaving = reason;
    this.#stream.end();
    this.#stream.resume();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_MAX_MS);
    this.#stream.once("close", resolve);
    await promise;
    clearTimeout(timer);
    this.finish(reason);
  }

  #receive(chunk: Uint8Array): void {
    if (this.end !== null) return;
    this.#chunksReceived += 1;
    let message: DaemonMessage | undefined;
    this.#decoder.feed(chunk);
    do {
      try {
        message = this.#decoder.next();
      } catch (error) {
        const where = `byte ${this.#decoder.messageOffset} of its stream`;
        const why = error instanceof Error ? error.message : String(error);
        this.finish(new SessionClosedError("malformed", `the agent sent what is no message at ${where}: ${why}`, { cause: error }));
        return;
      }
      if (message !== undefined) this.#options.onMessage(message);
    } while (message !== undefined && this.end === null);
  }

  #onStreamEnd(): void {
    const where = this.#decoder.isInsideMessage ? " inside a message" : "";
    this.finish(new SessionClosedError("connectionLost", `the agent ended the connection${where}`));
  }
}
