// Sessions that say what they were given: one that steals requests and answers with what came, and one that gets copies.

import { createHash } from "node:crypto";
import type { IncomingRequest, Session, Subscription } from "@understudy/client";
import { wantedBy } from "../pod/stealing.ts";

/** Whose requests are stolen, and whose are passed on. */
export const users = { stolen: "me", passed: "somebody" } as const;

/** A request as one line: method, path, and the length and digest of its body. */
export async function described({ method, uri, body }: IncomingRequest): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    hash.update(chunk as Buffer);
  }
  return line(method, uri.replace(/^http:\/\/[^/]*/, ""), bytes, hash.digest("hex"));
}

/** What `described` says of a request with this body. */
export function expectedLine(method: string, path: string, body: Uint8Array = Buffer.alloc(0)): string {
  return line(method, path, body.length, createHash("sha256").update(body).digest("hex"));
}

function line(method: string, path: string, bytes: number, digest: string): string {
  return `${method} ${path} ${bytes} ${digest}`;
}

/** Answers the requests of `users.stolen` with their own description. */
export async function stealDescribed(
  session: Session,
  port: number,
  onStolen: (line: string) => void = () => undefined,
): Promise<Subscription> {
  return await session.steal(port, {
    filter: wantedBy(users.stolen),
    onRequest: async (request) => {
      const text = await described(request);
      onStolen(text);
      return { status: 200, body: Buffer.from(`client ${text}\n`) };
    },
  });
}

/** Longest wait for copies that are on their way. */
const COPIES_MAX_MS = 5_000;

/** Lines of copies, in the order in which they were complete. */
export class Copies {
  #lines: string[] = [];
  #onLine: () => void = () => undefined;

  add(text: string): void {
    this.#lines.push(text);
    this.#onLine();
  }

  /** Takes what has come when there are this many, or when no more come. */
  async take(count: number): Promise<string[]> {
    const gaveUp = AbortSignal.timeout(COPIES_MAX_MS);
    gaveUp.addEventListener("abort", () => this.#onLine());
    while (this.#lines.length < count && !gaveUp.aborted) await new Promise<void>((resolve) => (this.#onLine = resolve));
    const taken = this.#lines;
    this.#lines = [];
    return taken;
  }
}

/** Notes a copy of every request. */
export async function mirrorDescribed(session: Session, port: number, copies: Copies): Promise<Subscription> {
  return await session.mirror(port, {
    onRequest: async (request) => {
      copies.add(await described(request));
    },
  });
}
