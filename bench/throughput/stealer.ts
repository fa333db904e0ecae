// A program that steals a port with the client library and answers from memory: what the agent and the library can do, without a server behind them.

import { once } from "node:events";
import { connectAgent, type ConnectionStream, headersFromRaw, type StolenResponse } from "@understudy/client";

export interface StealerTask {
  readonly host: string;
  readonly port: number;
  /** The target's. */
  readonly stolen: number;
  /** What peers want of a connection, or of an answer's body. */
  readonly direction: "down" | "up" | "short";
}

const PIECE = Buffer.alloc(64 * 1024, "understudy ");
const SHORT_BODY = Buffer.from("client\n");

async function sendWithoutEnd(stream: ConnectionStream): Promise<void> {
  stream.resume();
  for (;;) if (!stream.write(PIECE)) await once(stream, "drain");
}

async function* piecesWithoutEnd(): AsyncGenerator<Uint8Array> {
  for (;;) yield PIECE;
}

function answer(length: number, body: Exclude<StolenResponse["body"], undefined>): StolenResponse {
  return { status: 200, headers: headersFromRaw(["content-type", "text/plain", "content-length", String(length)]), body };
}

const { host, port, stolen, direction } = JSON.parse(process.argv[2] ?? "") as StealerTask;
const session = await connectAgent({ host, port });
await session.steal(stolen, {
  onConnection: ({ stream }) => {
    if (direction === "down") sendWithoutEnd(stream).catch(() => undefined);
    else stream.resume();
  },
  onRequest: async ({ body }) => {
    if (direction === "short") return answer(SHORT_BODY.length, SHORT_BODY);
    if (direction === "down") return answer(10 ** 14, piecesWithoutEnd());
    for await (const _ of body);
    return answer(0, null);
  },
});
console.log("ready {}");
