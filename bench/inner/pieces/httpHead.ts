// The HTTP/1 path on bytes: finding and judging heads, the message for a client, a replaced header, the end of a chunked body.

import { loadFromAgent, type Piece } from "../piece.ts";
import { BROWSER, RESPONSE, SMALL } from "./heads.ts";

export interface Head {
  scan(bytes: Uint8Array, start: number, end: number): string;
}
interface ResponseHead {
  scan(bytes: Uint8Array, start: number, end: number, request: { isHead: boolean; isConnect: boolean }): string;
}
export interface HeadModule {
  readonly RequestHead: new () => Head;
  readonly ResponseHead: new () => ResponseHead;
}
interface MessageModule {
  readonly requestParts: (bytes: Uint8Array, head: Head) => object;
}
interface RewriteModule {
  readonly headerEdit: (name: string, value: string) => object;
  readonly rewriteHead: (bytes: Uint8Array, head: ResponseHead, edits: readonly object[]) => Uint8Array;
}
interface BodyModule {
  readonly ChunkedBody: new () => { advance(bytes: Uint8Array, start: number, end: number): string };
}

export async function headPieces(): Promise<readonly Piece[]> {
  const { RequestHead, ResponseHead } = await loadFromAgent<HeadModule>("incoming/http/head");
  const { requestParts } = await loadFromAgent<MessageModule>("incoming/http/requestMessage");
  const { headerEdit, rewriteHead } = await loadFromAgent<RewriteModule>("incoming/http/rewriteHead");
  const { ChunkedBody } = await loadFromAgent<BodyModule>("incoming/http/bodyFraming");
  const small = Buffer.from(SMALL, "latin1");
  const browser = Buffer.from(BROWSER, "latin1");
  const response = Buffer.from(RESPONSE, "latin1");
  const chunks = Buffer.from(`${`400\r\n${"x".repeat(1024)}\r\n`.repeat(64)}0\r\n\r\n`, "latin1");
  const head = new RequestHead();
  const scanned = new RequestHead();
  scanned.scan(browser, 0, browser.length);
  const responseHead = new ResponseHead();
  const edits = [headerEdit("cache-control", "no-cache, no-store, must-revalidate")];
  const rewrite = (): Uint8Array => {
    responseHead.scan(response, 0, response.length, { isHead: false, isConnect: false });
    return rewriteHead(response, responseHead, edits);
  };
  const inTwo = (): string => {
    head.scan(browser, 0, 500);
    return head.scan(browser, 0, browser.length);
  };
  return [
    { name: "httpHead/scan 3 headers", run: () => head.scan(small, 0, small.length) },
    { name: "httpHead/scan 20 headers", run: () => head.scan(browser, 0, browser.length) },
    { name: "httpHead/scan 20 headers in two pieces", run: inTwo },
    { name: "httpHead/make the client's message of 20 headers", run: () => requestParts(browser, scanned) },
    { name: "httpHead/scan a response head and replace a header", run: rewrite },
    { name: "httpHead/find the end of 64 chunks of 1 KiB", run: () => new ChunkedBody().advance(chunks, 0, chunks.length) },
  ];
}
