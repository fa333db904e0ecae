// A connection to a port of a pod through the API server, as a stream with back pressure both ways.

import { Duplex, PassThrough, Writable } from "node:stream";
import type { WebSocket } from "ws";
import { failureText } from "../../failureText.ts";
import { type Cluster, refusalText } from "./cluster.ts";

/** The stream of data of the first port (`v4.channel.k8s.io`: one byte before every message says which). */
const DATA_CHANNEL = 0;
/** The kubelet breaks off at a message of more than 32 MiB. */
const MESSAGE_MAX_BYTES = 1024 * 1024;

/** Rejects when the API server refuses, or `signal` aborts. The stream breaks with the pod's words when nothing listens there. */
export async function openPodStream({ config, namespace }: Cluster, pod: string, port: number, signal: AbortSignal): Promise<Duplex> {
  const { PortForward } = await import("@kubernetes/client-node");
  signal.throwIfAborted();
  const name = `port ${port} of pod ${pod}`;
  const stream = new PodStream(name);
  // What this side sends does not go through the library, which would not say when to stop.
  const nothing = new PassThrough();
  const opening = openSocket(name, new PortForward(config).portForward(namespace, pod, [port], stream.received, stream.failed, nothing));
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    stream.attach(await Promise.race([opening, aborted.promise]));
    if (stream.errored !== null) throw stream.errored;
    return stream;
  } catch (error) {
    stream.destroy();
    void opening.then((late) => late.close()).catch(() => undefined);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The library rejects with an event of `ws`, which has a message and is no error. */
async function openSocket(name: string, opening: Promise<unknown>): Promise<WebSocket> {
  try {
    return (await opening) as WebSocket;
  } catch (error) {
    const text = failureText(typeof error === "object" && error !== null && "error" in error ? error.error : error);
    const status = /^Unexpected server response: (\d+)$/.exec(text)?.[1];
    throw new Error(`cannot reach ${name}: ${status === undefined ? text : refusalText(Number(status), "")}`, { cause: error });
  }
}

class PodStream extends Duplex {
  /** Takes what the pod sends. */
  readonly received: Writable;
  /** Takes what the kubelet says instead of opening a connection. */
  readonly failed: Writable;
  #socket: WebSocket | null = null;

  constructor(name: string) {
    super({ allowHalfOpen: false });
    // It may fail before anybody has it; whoever reads or writes is told all the same.
    this.on("error", () => undefined);
    this.received = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (chunk.length > 0 && !this.push(chunk)) this.#socket?.pause();
        done();
      },
    });
    this.failed = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (chunk.length > 0) this.destroy(new Error(`${name}: ${chunk.toString().trim()}`));
        done();
      },
    });
  }

  /** Owns `socket`, which is open. */
  attach(socket: WebSocket): void {
    this.#socket = socket;
    socket.on("close", () => this.push(null));
    socket.on("error", (error: Error) => this.destroy(error));
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#socket === null) done(new Error("not connected"));
    else this.#send(this.#socket, chunk, done);
  }

  #send(socket: WebSocket, chunk: Buffer, done: (error?: Error | null) => void): void {
    const rest = chunk.subarray(MESSAGE_MAX_BYTES);
    socket.send(Buffer.concat([Buffer.of(DATA_CHANNEL), chunk.subarray(0, MESSAGE_MAX_BYTES)]), (error) => {
      if (error instanceof Error || rest.length === 0) done(error);
      else this.#send(socket, rest, done);
    });
  }

  override _final(done: () => void): void {
    this.#socket?.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.terminate();
    done(error);
  }
}
