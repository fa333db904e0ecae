// Container runtimes for tests: servers at the sockets where real ones are, below a directory of their own, with answers that the test gives.

import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** What is answered to one call: a message, or a status other than OK. */
export type GrpcAnswer = Uint8Array | { readonly status: number; readonly message: string };

/** Where the node's directories are mounted, with the servers that the test starts there. */
export class HostFixture implements AsyncDisposable {
  readonly root: string;
  readonly #servers: Server[] = [];

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<HostFixture> {
    return new HostFixture(await mkdtemp(path.join(tmpdir(), "understudy-host-")));
  }

  /** Answers gRPC calls; told each with its method and the request. */
  grpc(
    socket: string,
    answer: (method: string, request: Buffer, metadata: Readonly<Record<string, unknown>>) => GrpcAnswer,
  ): Promise<void> {
    const server = createHttp2Server();
    server.on("stream", (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const given = answer(String(headers[":path"]).slice(1), Buffer.concat(chunks).subarray(5), headers);
        const head = { ":status": 200, "content-type": "application/grpc" };
        if (!(given instanceof Uint8Array)) {
          // As servers do it: the status in the only block of headers.
          stream.respond(
            { ...head, "grpc-status": String(given.status), "grpc-message": encodeURIComponent(given.message) },
            { endStream: true },
          );
          return;
        }
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(given.length, 1);
        stream.respond(head, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        // In two parts, as large answers come.
        stream.write(prefix.subarray(0, 3));
        stream.end(Buffer.concat([prefix.subarray(3), given]));
      });
    });
    return this.#listen(server, socket);
  }

  /** Answers HTTP requests with JSON. */
  http(socket: string, answer: (url: string) => { readonly status: number; readonly body: unknown }): Promise<void> {
    const server = createHttpServer((request, response) => {
      const { status, body } = answer(request.url ?? "");
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    return this.#listen(server, socket);
  }

  /** Takes connections and never says anything. */
  silent(socket: string): Promise<void> {
    return this.#listen(
      createServer((connection) => connection.on("error", () => undefined)),
      socket,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
    await rm(this.root, { recursive: true });
  }

  async #listen(server: Server, socket: string): Promise<void> {
    this.#servers.push(server);
    const at = path.join(this.root, socket);
    await mkdir(path.dirname(at), { recursive: true });
    server.unref();
    server.listen(at);
    await once(server, "listening");
  }
}

/** A protobuf message of fields that are numbers, texts or messages. */
export function message(fields: readonly (readonly [field: number, value: number | string | Uint8Array])[]): Buffer {
  return Buffer.concat(
    fields.map(([field, value]) => {
      if (typeof value === "number") return Buffer.from([...varint(field * 8), ...varint(value)]);
      const bytes = Buffer.from(value);
      return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(bytes.length)]), bytes]);
    }),
  );
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...varint(Math.floor(value / 0x80))];
}
