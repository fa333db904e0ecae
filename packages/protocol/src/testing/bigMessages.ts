// The messages for which it matters that a decoder does not start over with every piece.

import type { ClientMessage } from "../messages/clientMessage.ts";

const headers = [["content-type", [new TextEncoder().encode("application/octet-stream")]]] as const;

/** A response to a stolen request, its body in `count` frames of `frameBytes` bytes. */
export function framedResponse(count: number, frameBytes: number): ClientMessage {
  const body = Array.from({ length: count }, () => ({ kind: "data", value: new Uint8Array(frameBytes).fill(0x61) }) as const);
  const internalResponse = { status: 200, version: "HTTP/1.1", headers, body };
  return { kind: "tcpSteal", value: { kind: "httpResponseFramed", value: { port: 80, connectionId: 1, requestId: 0, internalResponse } } };
}

/** A request for `count` environment variables with names of 15 characters, 16 bytes each on the wire. */
export function environmentRequest(count: number): ClientMessage {
  const names = Array.from({ length: count }, (_, i) => `NAME_${String(i).padStart(10, "0")}`);
  return { kind: "getEnvVarsRequest", value: { envVarsFilter: new Set<string>(), envVarsSelect: new Set(names) } };
}
