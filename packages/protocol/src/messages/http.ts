// Stolen and mirrored HTTP: requests on their way to the client, responses on their way back. Member orders of requests and responses
// differ on the wire; that is the protocol, not a slip.

import type { Codec, Infer } from "../codec.ts";
import { list, since, struct, type StructOf, union } from "../composites.ts";
import { bytes, bool, text } from "../primitives.ts";
import { httpHeaders, httpMethod, httpStatus, httpUri, httpVersion } from "../httpParts.ts";
import { socketAddr } from "../netAddress.ts";
import { ConnectionId, IncomingTrafficTransportType, Port, RequestId } from "./common.ts";

/** A piece of a body. Trailers are the last one. */
export const InternalHttpBodyFrame = union("InternalHttpBodyFrame", { data: bytes, trailers: httpHeaders });
export type InternalHttpBodyFrame = Infer<typeof InternalHttpBodyFrame>;

export const InternalHttpBody = list(InternalHttpBodyFrame);
export type InternalHttpBody = Infer<typeof InternalHttpBody>;

/** The frames that were ready, and whether they are all. */
export const InternalHttpBodyNew = struct({ frames: InternalHttpBody, isLast: bool });
export type InternalHttpBodyNew = Infer<typeof InternalHttpBodyNew>;

type RequestFields<B> = {
  readonly method: typeof httpMethod;
  readonly uri: typeof httpUri;
  readonly headers: typeof httpHeaders;
  readonly version: typeof httpVersion;
  readonly body: Codec<B>;
};
/** A request with a body of type `B`. `uri` is the request target as it was received. */
export type InternalHttpRequest<B> = StructOf<RequestFields<B>>;
const internalHttpRequest = <B>(body: Codec<B>): Codec<InternalHttpRequest<B>> =>
  struct<RequestFields<B>>({ method: httpMethod, uri: httpUri, headers: httpHeaders, version: httpVersion, body });

type ResponseFields<B> = {
  readonly status: typeof httpStatus;
  readonly version: typeof httpVersion;
  readonly headers: typeof httpHeaders;
  readonly body: Codec<B>;
};
export type InternalHttpResponse<B> = StructOf<ResponseFields<B>>;
const internalHttpResponse = <B>(body: Codec<B>): Codec<InternalHttpResponse<B>> =>
  struct<ResponseFields<B>>({ status: httpStatus, version: httpVersion, headers: httpHeaders, body });

export interface HttpRequest<B> {
  readonly internalRequest: InternalHttpRequest<B>;
  readonly connectionId: ConnectionId;
  readonly requestId: RequestId;
  readonly port: Port;
}
const httpRequest = <B>(body: Codec<B>): Codec<HttpRequest<B>> =>
  struct({ internalRequest: internalHttpRequest(body), connectionId: ConnectionId, requestId: RequestId, port: Port });

export interface HttpResponse<B> {
  readonly port: Port;
  readonly connectionId: ConnectionId;
  readonly requestId: RequestId;
  readonly internalResponse: InternalHttpResponse<B>;
}
const httpResponse = <B>(body: Codec<B>): Codec<HttpResponse<B>> =>
  struct({ port: Port, connectionId: ConnectionId, requestId: RequestId, internalResponse: internalHttpResponse(body) });

/** The whole body as one byte string; trailers cannot be expressed. */
export const HttpRequestBytes = httpRequest(bytes);
/** The whole body as frames. */
export const HttpRequestFramed = httpRequest(InternalHttpBody);
export const HttpResponseBytes = httpResponse(bytes);
export const HttpResponseFramed = httpResponse(InternalHttpBody);

/** More of a body that was begun. Used in both directions. */
export const ChunkedRequestBodyV1 = struct({ frames: InternalHttpBody, isLast: bool, connectionId: ConnectionId, requestId: RequestId });
export type ChunkedRequestBodyV1 = Infer<typeof ChunkedRequestBodyV1>;

/** A body that was begun will not be finished. */
export const ChunkedRequestErrorV1 = struct({ connectionId: ConnectionId, requestId: RequestId });
export type ChunkedRequestErrorV1 = Infer<typeof ChunkedRequestErrorV1>;

export const ChunkedRequestErrorV2 = struct({ connectionId: ConnectionId, requestId: RequestId, errorMessage: text });
export type ChunkedRequestErrorV2 = Infer<typeof ChunkedRequestErrorV2>;

/** Where a request came from and what it was addressed to before it was redirected. */
export const HttpRequestMetadata = union("HttpRequestMetadata", { v1: struct({ source: socketAddr, destination: socketAddr }) });
export type HttpRequestMetadata = Infer<typeof HttpRequestMetadata>;

export const ChunkedRequestStartV2 = struct({
  connectionId: ConnectionId,
  requestId: RequestId,
  request: internalHttpRequest(InternalHttpBodyNew),
  metadata: HttpRequestMetadata,
  transport: IncomingTrafficTransportType,
});
export type ChunkedRequestStartV2 = Infer<typeof ChunkedRequestStartV2>;

/** A request whose body may still be arriving. `startV1` does not say whether it is complete: an empty last `body` follows when it is. */
export const ChunkedRequest = union("ChunkedRequest", {
  startV1: httpRequest(InternalHttpBody),
  body: ChunkedRequestBodyV1,
  errorV1: ChunkedRequestErrorV1,
  startV2: since("1.19.0", ChunkedRequestStartV2),
  errorV2: since("1.19.0", ChunkedRequestErrorV2),
});
export type ChunkedRequest = Infer<typeof ChunkedRequest>;

/** A response whose body may still be coming. */
export const ChunkedResponse = union("ChunkedResponse", {
  start: httpResponse(InternalHttpBody),
  body: ChunkedRequestBodyV1,
  error: ChunkedRequestErrorV1,
});
export type ChunkedResponse = Infer<typeof ChunkedResponse>;
