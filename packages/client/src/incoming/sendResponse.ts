// A response on its way to the agent: in one message when all of it is ready, else its head and then its body as it comes.

import { Readable } from "node:stream";
import {
  type ConnectionId,
  type HttpHeaders,
  type InternalHttpBody,
  type InternalHttpBodyFrame,
  type InternalHttpResponse,
  type LayerTcpSteal,
  type RequestId,
  type VersionGate,
} from "@understudy/protocol";
import type { AgentLink } from "../agentLink.ts";
import type { StolenResponse } from "./httpMessages.ts";

/** Bodies up to this many bytes travel in one message. */
const FRAMED_MAX_BYTES = 256 * 1024;
/** Largest piece of a streamed body: what else the session sends gets its turn in between. */
const FRAME_MAX_BYTES = 64 * 1024;

/** Which request is answered. */
export interface ResponseAddress {
  readonly port: number;
  readonly connectionId: ConnectionId;
  readonly requestId: RequestId;
}

interface Ready {
  readonly frames: Uint8Array[];
  /** The rest of the body; null when there is none. */
  readonly rest: Rest | null;
}

/** An iterator of which a next result has been asked for already. */
interface Rest {
  readonly body: AsyncIterable<Uint8Array>;
  readonly pending: Promise<IteratorResult<Uint8Array>>;
  readonly iterator: AsyncIterator<Uint8Array>;
}

export interface SendOptions {
  /** What the agent may be sent. */
  readonly allows: (gate: VersionGate) => boolean;
  /** Aborts when nobody waits for the response any more. The body is then given up. */
  readonly signal: AbortSignal;
  /** Called when the head has been sent: from here on a failure can only break the response off. */
  readonly onHeadSent: () => void;
}

/**
 * Resolves when the whole response has left for the agent, or nobody waits for it any more.
 * @throws EncodeError when the head has no form on the wire, and what the body throws.
 */
export async function sendResponse(
  link: AgentLink,
  address: ResponseAddress,
  response: StolenResponse,
  { allows, signal, onHeadSent }: SendOptions,
): Promise<void> {
  const mayStream = allows("httpChunkedResponse");
  const { frames, rest } = mayStream ? await readyPart(response.body ?? null) : await wholeBody(response.body ?? null);
  const data = frames.map((bytes): InternalHttpBodyFrame => ({ kind: "data", value: bytes }));
  const post = (value: LayerTcpSteal): Promise<void> => link.send({ kind: "tcpSteal", value });
  if (rest === null) {
    if (signal.aborted) return;
    await post(
      allows("httpFramed")
        ? { kind: "httpResponseFramed", value: { ...address, internalResponse: internal(response, [...data, ...trailerFrames(response)]) } }
        : { kind: "httpResponse", value: { ...address, internalResponse: internal(response, Buffer.concat(frames)) } },
    );
    onHeadSent();
    return;
  }
  const { connectionId, requestId } = address;
  let isHeadSent = false;
  try {
    if (signal.aborted) return;
    await post({
      kind: "httpResponseChunked",
      value: { kind: "start", value: { ...address, internalResponse: internal(response, data) } },
    });
    isHeadSent = true;
    onHeadSent();
    const postBody = (frames: InternalHttpBody, isLast: boolean): Promise<void> =>
      post({ kind: "httpResponseChunked", value: { kind: "body", value: { frames, isLast, connectionId, requestId } } });
    for (let pending = rest.pending; ; pending = rest.iterator.next()) {
      const step = await unlessAborted(pending, signal);
      if (step === null) return;
      if (step.done === true) break;
      for (const value of piecesOf(step.value)) await postBody([{ kind: "data", value }], false);
    }
    await postBody(trailerFrames(response), true);
  } catch (error) {
    if (isHeadSent && !signal.aborted && link.end === null) {
      await post({ kind: "httpResponseChunked", value: { kind: "error", value: { connectionId, requestId } } });
    }
    throw error;
  } finally {
    giveUp(rest);
  }
}

function internal<B>({ status, version = "HTTP/1.1", headers = [] }: StolenResponse, body: B): InternalHttpResponse<B> {
  return { status, version, headers, body };
}

/** Null when the signal aborts first. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const onAbort = (): void => resolve(null);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Closes an iterator without waiting for it: it may stand in a `next` that never comes. After its end this does nothing. */
function giveUp({ body, pending, iterator }: Rest): void {
  // Its errors have been seen, or concern a response that nobody waits for.
  pending.catch(() => undefined);
  iterator.return?.().catch(() => undefined);
  if (body instanceof Readable) body.destroy();
}

function trailerFrames({ trailers }: StolenResponse): InternalHttpBody {
  const headers: HttpHeaders | null = typeof trailers === "function" ? trailers() : (trailers ?? null);
  return headers === null || headers.length === 0 ? [] : [{ kind: "trailers", value: headers }];
}

/**
 * What a body gives within the turn of the event loop. A short response of a server that was read in one piece is then complete,
 * and its peer sees head, body and trailers together, which some of them depend on (gRPC's error responses).
 */
async function readyPart(body: StolenResponse["body"]): Promise<Ready> {
  if (body == null) return { frames: [], rest: null };
  if (body instanceof Uint8Array) {
    if (body.length <= FRAMED_MAX_BYTES) return { frames: body.length === 0 ? [] : [body], rest: null };
    const iterator = onlyPiece(body);
    return { frames: [], rest: { body: iterator, pending: iterator.next(), iterator } };
  }
  const iterator = body[Symbol.asyncIterator]();
  const turn = new Promise<"turn">((resolve) => setImmediate(resolve, "turn"));
  const frames: Uint8Array[] = [];
  for (let bytes = 0; ;) {
    const pending = iterator.next();
    const first = bytes > FRAMED_MAX_BYTES ? "turn" : await Promise.race([pending, turn]);
    if (first === "turn") return { frames, rest: { body, pending, iterator } };
    if (first.done === true) return { frames, rest: null };
    if (first.value.length > 0) frames.push(first.value);
    bytes += first.value.length;
  }
}

/** For agents that know no streamed responses. */
async function wholeBody(body: StolenResponse["body"]): Promise<Ready> {
  if (body == null) return { frames: [], rest: null };
  if (body instanceof Uint8Array) return { frames: [body], rest: null };
  const frames: Uint8Array[] = [];
  for await (const chunk of body) frames.push(chunk);
  return { frames, rest: null };
}

async function* onlyPiece(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}

function piecesOf(chunk: Uint8Array): Uint8Array[] {
  const count = Math.ceil(chunk.length / FRAME_MAX_BYTES);
  return Array.from({ length: count }, (_, i) => chunk.subarray(i * FRAME_MAX_BYTES, (i + 1) * FRAME_MAX_BYTES));
}
