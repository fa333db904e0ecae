// Copies of a request's body for those who only listen.

import type { InternalHttpBodyFrame } from "@understudy/protocol";
import type { RequestCopies } from "../http/requestCopies.ts";
import type { Field } from "./fields.ts";
import { groupedFields } from "./messageFields.ts";

/** `view` may change afterwards. */
export function copyBody(copies: RequestCopies, view: Uint8Array, isEnd: boolean): void {
  if (!copies.isEmpty) copies.body(view.length === 0 ? [] : [{ kind: "data", value: new Uint8Array(view) }], isEnd);
}

export function copyTrailers(copies: RequestCopies, fields: readonly Field[]): void {
  if (!copies.isEmpty) copies.body([trailersFrame(fields)], true);
}

export function trailersFrame(fields: readonly Field[]): InternalHttpBodyFrame {
  return { kind: "trailers", value: groupedFields(fields) };
}
