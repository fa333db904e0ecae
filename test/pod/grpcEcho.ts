// A gRPC service with all four kinds of call, without generated code: messages are text. Served by a target, called by its peers, and answered by clients that steal.

import type { ServiceDefinition } from "@grpc/grpc-js";

const text = {
  requestSerialize: (message: string) => Buffer.from(message),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (message: string) => Buffer.from(message),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
};

function call(name: string, requestStream: boolean, responseStream: boolean): ServiceDefinition[string] {
  return { path: `/test.Echo/${name}`, requestStream, responseStream, ...text };
}

export const echoService = {
  /** One message; `fail` is answered with an error. */
  unary: call("unary", false, false),
  /** Joins messages. */
  join: call("join", true, false),
  /** Sends the message three times. */
  thrice: call("thrice", false, true),
  /** Answers each message as it comes. */
  chat: call("chat", true, true),
} satisfies ServiceDefinition;

/** What is said to a message. */
export function said(by: string, message: string): string {
  return `${by}: ${message}`;
}

export const failure = { message: "fail", code: 9, details: "as asked" } as const;
