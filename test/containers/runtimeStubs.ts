// Stand-ins for the runtimes that are not here, at their sockets on a node: Docker by its HTTP API, CRI-O by the container runtime interface.
// They know one container, whose process the test names.

import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { type handleUnaryCall, Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { ContainerNode } from "./containerNode.ts";

export interface StubbedContainer {
  readonly id: string;
  /** Asked for each answer. */
  readonly pid: () => number;
  readonly env: readonly string[];
}

/** As dockerd answers to `GET /containers/<id>/json`. */
export async function startDocker(node: ContainerNode, { id, pid, env }: StubbedContainer): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const isKnown = request.url === `/containers/${id}/json?size=false`;
    const body = isKnown
      ? { Id: id, State: { Status: "running", Running: true, Pid: pid() }, Config: { Env: env } }
      : { message: `No such container: ${id}` };
    response.writeHead(isKnown ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  server.listen(node.path("/run/docker.sock"));
  await once(server, "listening");
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, "close");
    },
  };
}

/** As CRI-O answers to `ContainerStatus` with `verbose`. */
export async function startCrio(node: ContainerNode, { id, pid, env }: StubbedContainer): Promise<AsyncDisposable> {
  const containerStatus: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    if (!call.request.includes(id)) return callback({ code: status.NOT_FOUND, details: `could not find container "${id}"` });
    const info = JSON.stringify({ sandboxID: "sandbox", pid: pid(), runtimeSpec: { process: { env } }, privileged: false });
    callback(null, field(2, Buffer.concat([field(1, Buffer.from("info")), field(2, Buffer.from(info))])));
  };
  const asIs = (bytes: Buffer): Buffer => bytes;
  const server = new Server();
  const path = "/runtime.v1.RuntimeService/ContainerStatus";
  const codec = { requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
  server.addService(
    { ContainerStatus: { path, requestStream: false, responseStream: false, ...codec } },
    { ContainerStatus: containerStatus },
  );
  await mkdir(node.path("/run/crio"), { recursive: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${node.path("/run/crio/crio.sock")}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return {
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    },
  };
}

/** A field of protobuf with bytes. */
function field(number: number, bytes: Buffer): Buffer {
  const length: number[] = [];
  let rest = bytes.length;
  for (; rest >= 0x80; rest = rest >> 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length, rest]), bytes]);
}
