// Calls of the gRPC service of `grpcEcho.ts`, of all four kinds, by the library grpc-js.

import { once } from "node:events";
import { makeGenericClientConstructor, Metadata, type ServiceError } from "@grpc/grpc-js";
import { echoService, failure, said } from "./grpcEcho.ts";

export const EchoClient = makeGenericClientConstructor(echoService, "Echo");
export type EchoClient = InstanceType<typeof EchoClient>;

/** Makes one call of each kind, all at the same time, and returns what was said. */
export async function callAll(client: EchoClient, metadata: Metadata): Promise<Record<string, unknown>> {
  // Calls are made by name; their types come from code that nobody generated.
  const echo = client as unknown as Record<
    "unary" | "join" | "thrice" | "chat",
    (...parameters: readonly unknown[]) => NodeJS.ReadWriteStream
  >;
  const unary = (message: string): Promise<unknown> =>
    new Promise((resolve) =>
      echo.unary(message, metadata, (error: ServiceError | null, answer: string) =>
        resolve(error === null ? answer : [error.code, error.details]),
      ),
    );
  const join = new Promise((resolve, reject) => {
    const call = echo.join(metadata, (error: ServiceError | null, answer: string) => (error === null ? resolve(answer) : reject(error)));
    for (const message of ["a", "b", "c"]) call.write(message);
    call.end();
  });
  const chat = (async () => {
    const call = echo.chat(metadata);
    const answers: string[] = [];
    // Each message waits for the answer to the one before.
    for (const message of ["one", "two", "three"]) {
      call.write(message);
      const [answer] = (await once(call, "data")) as [string];
      answers.push(answer);
    }
    call.end();
    call.on("data", () => undefined);
    await once(call, "end");
    return answers;
  })();
  const [plain, failed, joined, thrice, chatted] = await Promise.all([
    unary("hello"),
    unary(failure.message),
    join,
    collect(echo.thrice("again", metadata)),
    chat,
  ]);
  return { plain, failed, joined, thrice, chatted };
}

async function collect(call: NodeJS.ReadableStream): Promise<string[]> {
  const answers: string[] = [];
  for await (const answer of call) answers.push(String(answer));
  return answers;
}

/** What `callAll` returns when all went well. */
export function expected(by: string): Record<string, unknown> {
  return {
    plain: said(by, "hello"),
    failed: [failure.code, failure.details],
    joined: said(by, "a+b+c"),
    thrice: [said(by, "again"), said(by, "again"), said(by, "again")],
    chatted: ["one", "two", "three"].map((message) => said(by, message)),
  };
}

/** What makes a call one of this user. */
export function metadataOf(user: string): Metadata {
  const metadata = new Metadata();
  metadata.set("x-user", user);
  return metadata;
}
