// The forms in which a request travels to a client. Which one depends on the version the client announced: the newest streams the body, old ones need
// all of it first.

import type { DaemonTcp, HttpHeaders, InternalHttpBodyFrame, InternalHttpRequest } from "@understudy/protocol";
import type { SessionLink } from "../../link/sessionLink.ts";
import { payloadOf } from "../http/bodyFrames.ts";
import { type Arrival, transportOf } from "../arrival.ts";

/** A request as it was when its head had arrived. */
export interface RequestStart {
  readonly method: string;
  readonly uri: string;
  readonly headers: HttpHeaders;
  readonly version: "HTTP/1.0" | "HTTP/1.1" | "HTTP/2.0";
  readonly arrival: Arrival;
  /** The body as far as it was there. */
  readonly frames: readonly InternalHttpBodyFrame[];
  readonly isLast: boolean;
}

export type RequestForm = "plain" | "framed" | "chunkedV1" | "chunkedV2";

export function requestForm(link: SessionLink): RequestForm {
  if (link.allows("httpChunkedRequestV2")) return "chunkedV2";
  if (link.allows("httpChunkedRequest")) return "chunkedV1";
  return link.allows("httpFramed") ? "framed" : "plain";
}

/** True for forms that need the whole body at once. */
export function isWhole(form: RequestForm): boolean {
  return form === "plain" || form === "framed";
}

/**
 * The messages that begin a request. `start.isLast` must be true for the forms that need the whole body. Objects are written out: in code that V8 has not compiled yet, a
 * property behind a spread costs a call into its runtime.
 */
export function startMessages(form: RequestForm, connectionId: number, start: RequestStart): readonly DaemonTcp[] {
  const { method, uri, headers, version, arrival, frames, isLast } = start;
  const request = <B>(body: B): InternalHttpRequest<B> => ({ method, uri, headers, version, body });
  const requestId = 0;
  const { peer, original } = arrival;
  const { port } = original;
  switch (form) {
    case "plain":
      return [{ kind: "httpRequest", value: { internalRequest: request(payloadOf(frames)), connectionId, requestId, port } }];
    case "framed":
      return [{ kind: "httpRequestFramed", value: { internalRequest: request(frames), connectionId, requestId, port } }];
    case "chunkedV1": {
      const first: DaemonTcp = {
        kind: "httpRequestChunked",
        value: { kind: "startV1", value: { internalRequest: request(frames), connectionId, requestId, port } },
      };
      return isLast ? [first, bodyMessage(connectionId, [], true)] : [first];
    }
    case "chunkedV2":
      return [
        {
          kind: "httpRequestChunked",
          value: {
            kind: "startV2",
            value: {
              connectionId,
              requestId,
              request: request({ frames, isLast }),
              metadata: { kind: "v1", value: { source: peer, destination: original } },
              transport: transportOf(arrival),
            },
          },
        },
      ];
  }
}

/** More of a body that was begun in one of the chunked forms. */
export function bodyMessage(connectionId: number, frames: readonly InternalHttpBodyFrame[], isLast: boolean): DaemonTcp {
  return { kind: "httpRequestChunked", value: { kind: "body", value: { frames, isLast, connectionId, requestId: 0 } } };
}
