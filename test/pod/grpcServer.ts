// A server of the gRPC service of `grpcEcho.ts`, by the library grpc-js.

import { Server, type ServerDuplexStream, type ServerReadableStream, type ServerUnaryCall, type ServerWritableStream } from "@grpc/grpc-js";
import { echoService, failure, said } from "./grpcEcho.ts";

/** Not listening yet. Its answers say that they are `by` it. */
export function grpcServer(by: string): Server {
  const server = new Server();
  server.addService(echoService, {
    unary: ({ request }: ServerUnaryCall<string, string>, answer: (error: object | null, message?: string) => void) => {
      if (request === failure.message) answer({ code: failure.code, details: failure.details });
      else answer(null, said(by, request));
    },
    join: (call: ServerReadableStream<string, string>, answer: (error: null, message: string) => void) => {
      const messages: string[] = [];
      call.on("data", (message: string) => messages.push(message));
      call.on("end", () => answer(null, said(by, messages.join("+"))));
    },
    thrice: (call: ServerWritableStream<string, string>) => {
      for (let i = 0; i < 3; i++) call.write(said(by, call.request));
      call.end();
    },
    chat: (call: ServerDuplexStream<string, string>) => {
      call.on("data", (message: string) => call.write(said(by, message)));
      call.on("end", () => call.end());
    },
  });
  return server;
}
