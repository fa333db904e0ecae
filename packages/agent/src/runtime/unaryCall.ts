// One gRPC call with one request and one answer, over a unix socket: HTTP/2 is Node's, gRPC's part is five bytes in front of a message and a
// status behind it. No streams, no compression, no retries. Source: github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md.

import { once } from "node:events";
import { type ClientHttp2Stream, connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import { wholeAnswer } from "./wholeAnswer.ts";

export interface UnaryCall {
  readonly socketPath: string;
  /** As "containerd.services.tasks.v1.Tasks/Get". */
  readonly method: string;
  readonly request: Uint8Array;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Ends the call. */
  readonly signal: AbortSignal;
}

/** The server answered with a status other than OK. Statuses: grpc.github.io/grpc/core/md_doc_statuscodes.html. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(`gRPC status ${status}: ${message}`);
    this.status = status;
  }
}

const PREFIX_BYTES = 5;

/** @throws GrpcError, the connection's error, or the signal's reason */
export async function callUnary({ socketPath, method, request, metadata, signal }: UnaryCall): Promise<Buffer> {
  signal.throwIfAborted();
  const session = connectHttp2("http://localhost", { createConnection: () => connect(socketPath) });
  const failed = once(session, "error", { signal }).then(([error]) => Promise.reject(error as Error));
  try {
    const answered = exchange(session.request(head(method, metadata)), request);
    return await Promise.race([answered, failed]);
  } finally {
    session.on("error", () => undefined);
    session.destroy();
  }
}

function head(method: string, metadata: UnaryCall["metadata"] = {}): Record<string, string> {
  return {
    ...metadata,
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: `/${method}`,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
    [constants.HTTP2_HEADER_TE]: "trailers",
  };
}

async function exchange(stream: ClientHttp2Stream, request: Uint8Array): Promise<Buffer> {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(request.length, 1);
  let state: IncomingHttpHeaders = {};
  stream.on("response", (headers: IncomingHttpHeaders) => (state = { ...state, ...headers }));
  stream.on("trailers", (trailers: IncomingHttpHeaders) => (state = { ...state, ...trailers }));
  stream.end(Buffer.concat([prefix, request]));
  const body = await wholeAnswer(stream as AsyncIterable<Buffer>);
  const status = state["grpc-status"];
  if (status === undefined) throw new Error(`no gRPC status in the answer, HTTP status ${String(state[constants.HTTP2_HEADER_STATUS])}`);
  if (status !== "0") throw new GrpcError(Number(status), statusText(state["grpc-message"]));
  return messageIn(body);
}

function messageIn(body: Buffer): Buffer {
  if (body.length < PREFIX_BYTES || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX_BYTES) {
    throw new Error("the answer is not one uncompressed message");
  }
  return body.subarray(PREFIX_BYTES);
}

function statusText(message: unknown): string {
  if (typeof message !== "string") return "no text";
  try {
    return decodeURIComponent(message);
  } catch {
    // Not encoded as it should be, but still the best that is known.
    return message;
  }
}
