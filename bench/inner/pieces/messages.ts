// The messages that the codec is measured with, as a client or an agent sends them in a usual session.

import { type Codec, ClientMessage, DaemonMessage, clientRelays, daemonRelays, type HttpHeaders, type Relay } from "@understudy/protocol";

/** One kind of message, with the decoder options that its receiver uses. */
export interface MessageCase<T> {
  readonly name: string;
  readonly codec: Codec<T>;
  readonly relays: readonly Relay<T>[];
  readonly message: T;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const header = (name: string, value: string): HttpHeaders[number] => [name, [bytesOf(value)]];

const write = (bytes: number): ClientMessage => ({
  kind: "tcpOutgoing",
  value: { kind: "write", value: { connectionId: 7, bytes: new Uint8Array(bytes).fill(0x61) } },
});

const directoryBatch: DaemonMessage = {
  kind: "file",
  value: {
    kind: "readDirBatch",
    value: {
      kind: "ok",
      value: {
        fd: 12,
        dirEntries: Array.from({ length: 100 }, (_, i) => ({
          inode: 3_000_000 + i,
          position: i,
          name: `component-${i}.test.tsx`,
          fileType: 8,
        })),
      },
    },
  },
};

const request: DaemonMessage = {
  kind: "tcpSteal",
  value: {
    kind: "httpRequestChunked",
    value: {
      kind: "startV2",
      value: {
        connectionId: 42,
        requestId: 0,
        request: {
          method: "POST",
          uri: "/api/v1/orders?expand=items&page=3",
          headers: [
            header("host", "orders.shop.svc.cluster.local"),
            header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
            header("accept", "application/json"),
            header("accept-encoding", "gzip, deflate, br"),
            header("accept-language", "en-GB,en;q=0.8"),
            header("authorization", `Bearer ${"x".repeat(300)}`),
            header("content-type", "application/json"),
            header("content-length", "256"),
            header("cookie", `session=${"y".repeat(60)}`),
            header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            header("x-forwarded-for", "10.244.1.17"),
            header("x-request-id", "6f1c4be0-8c1d-4c1c-a2c7-2f5f8a1d9b11"),
          ],
          version: "HTTP/1.1",
          body: { frames: [{ kind: "data", value: new Uint8Array(256).fill(0x7b) }], isLast: true },
        },
        metadata: { kind: "v1", value: { source: { ip: "10.244.1.17", port: 51234 }, destination: { ip: "10.244.2.9", port: 8080 } } },
        transport: { kind: "tcp" },
      },
    },
  },
};

const fromClient = (name: string, message: ClientMessage): MessageCase<ClientMessage> => ({
  name,
  codec: ClientMessage,
  relays: clientRelays,
  message,
});
const fromDaemon = (name: string, message: DaemonMessage): MessageCase<DaemonMessage> => ({
  name,
  codec: DaemonMessage,
  relays: daemonRelays,
  message,
});

/** Hands every case to `measure`, each with its own type of message. */
export function forEachCase(measure: <T>(one: MessageCase<T>) => void): void {
  measure(fromClient("ping", { kind: "ping" }));
  measure(fromClient("write of 64 B", write(64)));
  measure(fromClient("write of 64 KiB", write(64 * 1024)));
  measure(fromDaemon("100 directory entries", directoryBatch));
  measure(fromDaemon("HTTP request, 12 headers", request));
}

function framedResponse(count: number, frameBytes: number): ClientMessage {
  const body = Array.from({ length: count }, () => ({ kind: "data", value: new Uint8Array(frameBytes).fill(0x61) }) as const);
  const internalResponse = { status: 200, version: "HTTP/1.1", headers: [header("content-type", "application/octet-stream")], body };
  return { kind: "tcpSteal", value: { kind: "httpResponseFramed", value: { port: 80, connectionId: 1, requestId: 0, internalResponse } } };
}

function environmentRequest(count: number): ClientMessage {
  const names = Array.from({ length: count }, (_, i) => `NAME_${String(i).padStart(10, "0")}`);
  return { kind: "getEnvVarsRequest", value: { envVarsFilter: new Set<string>(), envVarsSelect: new Set(names) } };
}

/** Messages so large that they arrive in many pieces. */
export const largeCases: readonly { readonly name: string; readonly message: ClientMessage }[] = [
  { name: "one body frame of 16 MiB", message: framedResponse(1, 16 * 1024 * 1024) },
  { name: "16 MiB in body frames of 1 KiB", message: framedResponse(16 * 1024, 1024) },
  { name: "131,072 variable names, 2 MiB", message: environmentRequest(131_072) },
];
