// Asks one DNS server over TCP: for answers that did not fit a datagram, and for `options use-vc`. One connection a
// query; how many there are at once is the caller's to bound. Source: RFC 1035 section 4.2.2, RFC 7766.

import { connect } from "node:net";
import { answerId, decodeAnswer, encodeQuery, type Answer, type Question } from "./message.ts";
import { lookupIoError, lookupTimeout, malformedAnswer } from "./lookupError.ts";
import { randomInt } from "./randomInt.ts";
import type { ExchangeOptions, ServerAddress } from "./udpServer.ts";

/**
 * Sends one query on a connection of its own and waits for the answer.
 * @throws RemoteError; the signal's reason on abort.
 */
export async function exchangeOverTcp(
  { ip, port }: ServerAddress,
  question: Question,
  { timeoutMs, edns }: ExchangeOptions,
  signal: AbortSignal,
): Promise<Answer> {
  signal.throwIfAborted();
  const id = randomInt(0x1_0000);
  const query = encodeQuery(question, id, edns);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);

  const answered = Promise.withResolvers<Answer>();
  // `ip` is a literal, so that no name is looked up here.
  const socket = connect({ host: ip, port, noDelay: true });
  const onAbort = () => answered.reject(signal.reason as Error);
  const timer = setTimeout(() => answered.reject(lookupTimeout("server over TCP")), timeoutMs);
  signal.addEventListener("abort", onAbort, { once: true });

  let received = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    // Never more than one message of 64 KiB and one chunk.
    received = Buffer.concat([received, chunk]);
    if (received.length < 2) return;
    const end = 2 + received.readUInt16BE(0);
    if (received.length < end) return;
    try {
      const bytes = received.subarray(2, end);
      const answer = answerId(bytes) === id ? decodeAnswer(bytes, question) : null;
      if (answer === null || answer.kind === "truncated") throw malformedAnswer("not an answer to the question");
      answered.resolve(answer);
    } catch (error) {
      answered.reject(lookupIoError(error));
    }
  });
  socket.on("error", (error) => answered.reject(lookupIoError(error)));
  socket.on("end", () => answered.reject(malformedAnswer("connection ended before the answer")));
  socket.write(Buffer.concat([length, query]));
  try {
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
