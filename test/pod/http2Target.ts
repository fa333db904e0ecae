// More of a pod's target: HTTP/2. It serves gRPC on one port and short answers on another, until its standard input ends.

import { createServer } from "node:http2";
import { once } from "node:events";
import { stdin, stdout } from "node:process";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { echoService, failure, said } from "./grpcEcho.ts";
import { targetPorts } from "./ports.ts";

const by = "target";
const grpc = new Server();
grpc.addService(echoService, {
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
await new Promise<void>((resolve, reject) => {
  grpc.bindAsync(`[::]:${targetPorts.grpc}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
});

const http2 = createServer();
http2.on("stream", (stream) => {
  stream.on("error", () => undefined);
  stream.resume();
  stream.respond({ ":status": 200, "content-type": "text/plain" });
  stream.end("target\n");
});
http2.listen(targetPorts.http2, "::");
await once(http2, "listening");

stdout.write("ready\n");
stdin.resume();
await once(stdin, "end");
process.exit(0);
