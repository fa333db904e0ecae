// Measures the pieces of the HTTP/1 path that work on bytes, one at a time and without sockets. See README.md for what
// the figures mean. The agent has no public entry for its parts, so they are loaded from beside its main module.

import { parseArgs } from "node:util";

interface Head {
  readonly length: number;
  scan(bytes: Uint8Array, start: number, end: number): string;
}
interface ResponseHead {
  scan(bytes: Uint8Array, start: number, end: number, request: { isHead: boolean; isConnect: boolean }): string;
}
interface Filter {
  matches(request: object): boolean;
}
interface HeadModule {
  readonly RequestHead: new () => Head;
  readonly ResponseHead: new () => ResponseHead;
}
interface FilterModule {
  readonly compileFilter: (filter: { kind: "header" | "path"; value: string }, means: object) => Promise<Filter>;
}
interface ServicesModule {
  readonly createFilterServices: (options: { readonly jq: null }) => object;
}
interface InputModule {
  readonly RequestHeadInput: new (bytes: Uint8Array, head: Head) => object;
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

async function load<T>(name: string): Promise<T> {
  const entry = import.meta.resolve("@understudy/agent");
  const extension = entry.slice(entry.lastIndexOf("."));
  return (await import(new URL(`incoming/http/${name}${extension}`, entry).href)) as T;
}

const SMALL = "GET /api/items?page=2 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n";
const BROWSER = [
  "GET /products/shoes/running?color=blue&size=42&sort=price HTTP/1.1",
  "Host: shop.example.com",
  "Connection: keep-alive",
  "Cache-Control: max-age=0",
  'sec-ch-ua: "Chromium";v="126", "Not-A.Brand";v="24", "Google Chrome";v="126"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-User: ?1",
  "Sec-Fetch-Dest: document",
  "Referer: https://shop.example.com/products/shoes",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-US,en;q=0.9,de;q=0.8",
  "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes; cart=3f2a9c",
  "X-Request-Id: 6f1c6d0e-6a0b-4a8e-9d53-2f6d0f7f3a11",
  "X-Forwarded-For: 203.0.113.7",
  "X-User: somebody",
  "",
  "",
].join("\r\n");
const RESPONSE = [
  "HTTP/1.1 200 OK",
  "Server: nginx",
  "Date: Thu, 01 Jan 2026 00:00:00 GMT",
  "Content-Type: application/json; charset=utf-8",
  "Content-Length: 512",
  "Cache-Control: max-age=60",
  'ETag: W/"200-abcdef"',
  "Vary: Accept-Encoding",
  "",
  "",
].join("\r\n");

const options = parseArgs({ options: { seconds: { type: "string", default: "1" } } }).values;
const runMs = Number(options.seconds) * 1000;

/** Processor time of this process so far, which other processes on the machine do not lengthen. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Runs `work`, which returns something to keep, for a while and prints how often a second of processor time. */
function measure(name: string, work: () => unknown): void {
  let kept: unknown = null;
  const round = (ms: number): number => {
    const start = processorMs();
    let count = 0;
    while (processorMs() - start < ms) {
      for (let i = 0; i < 1000; i++) kept = work();
      count += 1000;
    }
    return (count * 1000) / (processorMs() - start);
  };
  round(runMs / 4);
  const perSecond = round(runMs);
  const microseconds = (1e6 / perSecond).toFixed(3);
  console.log(`${name.padEnd(62)}${Math.round(perSecond).toLocaleString("en").padStart(12)} /s ${microseconds.padStart(9)} us`);
  if (kept === undefined) throw new Error(`${name} did nothing`);
}

const { RequestHead, ResponseHead } = await load<HeadModule>("head");
const { compileFilter } = await load<FilterModule>("filter/compileFilter");
const { createFilterServices } = await load<ServicesModule>("filter/filterServices");
const means = { services: createFilterServices({ jq: null }), onProblem: (text: string) => console.error(text) };
const { RequestHeadInput } = await load<InputModule>("filter/filterInput");
const { requestParts } = await load<MessageModule>("requestMessage");
const { headerEdit, rewriteHead } = await load<RewriteModule>("rewriteHead");
const { ChunkedBody } = await load<BodyModule>("bodyFraming");

const small = Buffer.from(SMALL, "latin1");
const browser = Buffer.from(BROWSER, "latin1");
const response = Buffer.from(RESPONSE, "latin1");
const head = new RequestHead();

measure(`scan a request head of 3 headers, ${small.length} bytes`, () => head.scan(small, 0, small.length));
measure(`scan a request head of 20 headers, ${browser.length} bytes`, () => head.scan(browser, 0, browser.length));
measure("the same in two pieces", () => {
  head.scan(browser, 0, 500);
  return head.scan(browser, 0, browser.length);
});

const filters: readonly (readonly [name: string, pattern: string])[] = [
  ["anchored, other value", "^x-user: nobody$"],
  ["anchored, no such header", "^x-tenant: nobody$"],
  ["anchored with gaps", "^cookie: .*session=fedcba.*"],
  ["literal without anchor", "x-user: nobody"],
  ["anchored regular expression, other value", "^x-user:\\s*(alice|bob)$"],
  ["regular expression with a literal in it", "x-user: \\w+@corp"],
  ["regular expression without a literal", "[0-9]{5}-(a|b)[^ ]$"],
];
head.scan(browser, 0, browser.length);
for (const [name, pattern] of filters) {
  const filter = await compileFilter({ kind: "header", value: pattern }, means);
  measure(`20 headers, filter ${name}`, () => filter.matches(new RequestHeadInput(browser, head)));
}
const tenFilters = await Promise.all(
  Array.from({ length: 10 }, (_, i) => compileFilter({ kind: "header", value: `x-user: n${i}` }, means)),
);
measure("20 headers, 10 filters without anchor on one request", () => {
  const input = new RequestHeadInput(browser, head);
  return tenFilters.some((filter) => filter.matches(input));
});
const path = await compileFilter({ kind: "path", value: "^/api/v[12]/" }, means);
measure("path filter", () => path.matches(new RequestHeadInput(browser, head)));
const steal = await compileFilter({ kind: "header", value: "^x-user: nobody$" }, means);
measure("scan 20 headers and evaluate one anchored filter", () => {
  head.scan(browser, 0, browser.length);
  return steal.matches(new RequestHeadInput(browser, head));
});

measure("make the client's message of 20 headers", () => requestParts(browser, head));
const responseHead = new ResponseHead();
const edits = [headerEdit("cache-control", "no-cache, no-store, must-revalidate")];
measure("scan a response head of 7 headers and replace one", () => {
  responseHead.scan(response, 0, response.length, { isHead: false, isConnect: false });
  return rewriteHead(response, responseHead, edits);
});
const chunks = Buffer.from(`${"400\r\n" + "x".repeat(1024)}\r\n`.repeat(64) + "0\r\n\r\n", "latin1");
measure("find the end of a chunked body of 64 chunks of 1 KiB", () => new ChunkedBody().advance(chunks, 0, chunks.length));
