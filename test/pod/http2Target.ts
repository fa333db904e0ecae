// More of a pod's target: HTTP/2. It serves gRPC on one port and short answers on another, until its standard input ends.

import { createServer } from "node:http2";
import { once } from "node:events";
import { stdin, stdout } from "node:process";
import { ServerCredentials } from "@grpc/grpc-js";
import { grpcServer } from "./grpcServer.ts";
import { targetPorts } from "./ports.ts";

const by = "target";
const grpc = grpcServer(by);
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
