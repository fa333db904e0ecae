// Between HTTP/2's lists of fields and the form that headers have on the wire to clients.

import type { HttpHeaders } from "@understudy/protocol";
import { FIELD_VALUE, TOKEN, allInClass, latin1 } from "../http/byteClasses.ts";
import { endedLinkResponse } from "../shareLinks/endedPage.ts";
import { badGatewayText } from "../http/errorResponse.ts";
import { InvalidResponse } from "../http/responseHead.ts";
import type { HeaderEdit } from "../http/rewriteHead.ts";
import { type Field, fieldBytes } from "./fields.ts";
import { CONNECTION_SPECIFIC, type RequestHead } from "./messageHead.ts";
import type { OwnAnswer } from "./ownAnswer.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The path as text; null when it is none. */
export function pathText({ path }: RequestHead): string | null {
  if (path === null || /^[\x21-\x7e]*$/.test(path)) return path;
  try {
    return utf8.decode(Buffer.from(path, "latin1"));
  } catch {
    // Not UTF-8, which only its target can make sense of.
    return null;
  }
}

/** What a client is told that was asked for: with scheme and authority where the peer named them. */
export function requestUri({ scheme, authority }: RequestHead, path: string): string {
  if (authority === null || authority === "" || scheme === null) return path;
  return `${scheme}://${authority}${path}`;
}

/** Fields grouped by name, in the order of their first ones. */
export function groupedFields(fields: readonly Field[]): HttpHeaders {
  const groups = new Map<string, Uint8Array[]>();
  for (const [name, value] of fields) {
    const bytes = new Uint8Array(Buffer.from(value, "latin1"));
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [bytes]);
    else group.push(bytes);
  }
  return [...groups];
}

export interface ResponseFieldsOptions {
  /** Headers to set whatever the client sent. */
  readonly edits: readonly HeaderEdit[];
  /** Value of `date` where there is none. */
  readonly date: string;
  readonly maxListBytes: number;
}

/** The head of a client's response. Headers about the connection are left out. @throws InvalidResponse */
export function responseFields(
  status: number,
  headers: HttpHeaders,
  { edits, date, maxListBytes }: ResponseFieldsOptions,
): readonly Field[] {
  if (!Number.isInteger(status) || status < 200 || status > 999)
    throw new InvalidResponse(`status ${status} cannot answer an HTTP/2 request`);
  const fields = editedFields([[":status", String(status)], ...plainFields(headers)], edits);
  if (!fields.some(([name]) => name === "date")) fields.push(["date", date]);
  checkListBytes(fields, maxListBytes);
  return fields;
}

/** @throws InvalidResponse */
export function trailerFields(trailers: HttpHeaders, maxListBytes: number): readonly Field[] {
  const fields = plainFields(trailers);
  checkListBytes(fields, maxListBytes);
  return fields;
}

/** As `fields`, with each edit applied: the first header of its name is replaced, further ones are dropped, a missing one is added. */
export function editedFields(fields: readonly Field[], edits: readonly HeaderEdit[]): Field[] {
  if (edits.length === 0) return [...fields];
  const edited: Field[] = [];
  let met = 0;
  for (const field of fields) {
    const index = edits.findIndex(({ replaces }) => replaces === field[0]);
    if (index < 0) edited.push(field);
    else if ((met & (1 << index)) === 0) edited.push(editField(edits[index]!));
    if (index >= 0) met |= 1 << index;
  }
  for (const [index, edit] of edits.entries()) if ((met & (1 << index)) === 0) edited.push(editField(edit));
  return edited;
}

/** The agent's own 502. */
export function badGatewayAnswer(agentVersion: string, message: string, date: string): OwnAnswer {
  const body = Buffer.from(badGatewayText(agentVersion, message));
  return {
    fields: [
      [":status", "502"],
      ["content-length", String(body.length)],
      ["date", date],
    ],
    body,
  };
}

/** The page for who follows a share link of a session that is over. */
export function endedLinkAnswer(continueTo: string, date: string): OwnAnswer {
  const { headers, body } = endedLinkResponse(continueTo);
  return { fields: [[":status", "200"], ...headers, ["date", date]], body };
}

function editField({ lowerName, value }: HeaderEdit): Field {
  return [lowerName, latin1(value, 0, value.length)];
}

function plainFields(headers: HttpHeaders): Field[] {
  const fields: Field[] = [];
  for (const [name, values] of headers) {
    const lowerName = name.toLowerCase();
    const nameBytes = Buffer.from(lowerName);
    if (nameBytes.length === 0 || !allInClass(nameBytes, 0, nameBytes.length, TOKEN)) throw new InvalidResponse("invalid header name");
    if (CONNECTION_SPECIFIC.has(lowerName)) continue;
    for (const value of values) {
      if (!allInClass(value, 0, value.length, FIELD_VALUE)) throw new InvalidResponse(`invalid value of ${lowerName}`);
      fields.push([lowerName, latin1(value, 0, value.length)]);
    }
  }
  return fields;
}

function checkListBytes(fields: readonly Field[], maxBytes: number): void {
  const bytes = fields.reduce((sum, field) => sum + fieldBytes(field), 0);
  if (bytes > maxBytes) throw new InvalidResponse(`headers of ${bytes} bytes, at most ${maxBytes} are sent`);
}
