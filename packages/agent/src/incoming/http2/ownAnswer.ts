// Answers that the agent gives by itself, at once and in full.

import { ErrorCode } from "./errors.ts";
import type { Field } from "./fields.ts";
import type { Stream } from "./stream.ts";

export interface OwnAnswer {
  readonly fields: readonly Field[];
  readonly body: Uint8Array;
}

/** `isHead`: the answer has no body, whatever its head says. */
export function answerAtOnce(stream: Stream, { fields, body }: OwnAnswer, isHead: boolean): void {
  stream.sendHeaders(fields, isHead);
  if (!isHead) stream.send(body, true, true);
  // What still comes of the request is of no use to anybody.
  stream.resetWhenSent(ErrorCode.noError);
}
