// The few responses that the agent makes itself: a request that nobody could answer, and heads that cannot be served.
// Their texts are what users of the reference know.

import { endedLinkResponse } from "../shareLinks/endedPage.ts";
import { reasonPhrase } from "./reasonPhrases.ts";

/** What of the failed request shapes its answer. */
export interface FailedRequest {
  readonly minorVersion: 0 | 1;
  readonly isHead: boolean;
  readonly keepAlive: boolean;
}

/** Messages of the agent's own 502. */
export const REQUEST_DROPPED = "the request was dropped";

/** Tells the peer to go on with its body. */
export const CONTINUE: Uint8Array = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");

/** Body of the agent's 502, of any version of HTTP. */
export function badGatewayText(agentVersion: string, message: string): string {
  return `mirrord-agent v${agentVersion}: ${message}\n`;
}

/** The 502 of the agent as one buffer, body included. `message` may have several lines; it goes to the body only. */
export function badGateway(agentVersion: string, message: string, request: FailedRequest, date: string): Uint8Array {
  const body = Buffer.from(badGatewayText(agentVersion, message));
  const connection = connectionLine(request);
  const head = `HTTP/1.${request.minorVersion} 502 Bad Gateway\r\n${connection}content-length: ${body.length}\r\ndate: ${date}\r\n\r\n`;
  return request.isHead ? Buffer.from(head, "latin1") : Buffer.concat([Buffer.from(head, "latin1"), body]);
}

/** Answer to a head that is not served: 400 malformed, 414 target too long, 431 head too large. The connection closes. */
export function refusal(status: 400 | 408 | 414 | 431, date: string): Uint8Array {
  const reason = reasonPhrase(status);
  return Buffer.from(`HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-length: 0\r\ndate: ${date}\r\n\r\n`, "latin1");
}

/** The page for who follows a share link of a session that is over. */
export function endedLink(continueTo: string, request: FailedRequest, date: string): Uint8Array {
  const { headers, body } = endedLinkResponse(continueTo);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = Buffer.from(`HTTP/1.${request.minorVersion} 200 OK\r\n${lines}${connectionLine(request)}date: ${date}\r\n\r\n`, "latin1");
  return request.isHead ? head : Buffer.concat([head, body]);
}

function connectionLine(request: FailedRequest): string {
  if (!request.keepAlive) return "connection: close\r\n";
  return request.minorVersion === 0 ? "connection: keep-alive\r\n" : "";
}
