// Responses of clients and of the agent as HTTP/1 bytes; requests as clients get them.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { HttpHeaders } from "@understudy/protocol";
import { ChunkedBody } from "./bodyFraming.ts";
import { badGateway, refusal } from "./errorResponse.ts";
import { RequestHead, ResponseHead } from "./head.ts";
import { HttpDate } from "./httpDate.ts";
import { ownHead } from "./ownRequest.ts";
import { requestParts, requestTargetText } from "./requestMessage.ts";
import { ResponseBodyEncoder } from "./responseBody.ts";
import { InvalidResponse, encodeResponseHead, type ResponseBody, type ResponseContext, type ResponseFraming } from "./responseHead.ts";
import { headerEdit } from "./rewriteHead.ts";

const DATE = "Thu, 01 Jan 2026 00:00:00 GMT";
const plain: ResponseContext = {
  minorVersion: 1,
  isHead: false,
  isConnect: false,
  keepAlive: true,
  acceptsTrailers: false,
  date: DATE,
  edits: [],
};
const streamed: ResponseBody = { kind: "streamed" };

function complete(bytes: number, hasTrailers = false): ResponseBody {
  return { kind: "complete", bytes, hasTrailers };
}

function headers(...lines: readonly (readonly [string, ...string[]])[]): HttpHeaders {
  return lines.map(([name, ...values]) => [name, values.map((value) => Buffer.from(value, "latin1"))] as const);
}

function lines(status: number, list: HttpHeaders, body: ResponseBody, context: Partial<ResponseContext> = {}): string[] {
  const encoded = encodeResponseHead({ status, headers: list, body }, { ...plain, ...context });
  const text = Buffer.from(encoded.bytes).toString("latin1");
  assert.ok(text.endsWith("\r\n\r\n"));
  return [...text.slice(0, -4).split("\r\n"), `[${encoded.framing.kind}${encoded.closes ? ", closes" : ""}]`];
}

suite("response heads", () => {
  test("order and repeated values are kept; framing and date come last", () => {
    const list = headers(["content-type", "text/plain"], ["set-cookie", "a=1", "b=2"], ["x-a", "\xe4"]);
    assert.deepEqual(lines(200, list, complete(5)), [
      "HTTP/1.1 200 OK",
      "content-type: text/plain",
      "set-cookie: a=1",
      "set-cookie: b=2",
      "x-a: \xe4",
      "content-length: 5",
      `date: ${DATE}`,
      "[length]",
    ]);
  });

  test("edits replace in place or follow the client's headers", () => {
    const edits = [headerEdit("mirrord-agent", "forwarded-to-client"), headerEdit("cache-control", "no-cache")];
    assert.deepEqual(lines(200, headers(["cache-control", "a", "b"], ["x", "y"]), complete(0), { edits }), [
      "HTTP/1.1 200 OK",
      "cache-control: no-cache",
      "x: y",
      "mirrord-agent: forwarded-to-client",
      "content-length: 0",
      `date: ${DATE}`,
      "[length]",
    ]);
  });

  const rest = (status: number, list: HttpHeaders, body: ResponseBody, context: Partial<ResponseContext> = {}): string =>
    lines(status, list, body, context)
      .slice(1)
      .filter((line) => !line.startsWith("date"))
      .join(" | ");
  const length5 = headers(["content-length", "5"]);

  test("framing follows status, request and version", () => {
    assert.equal(rest(200, length5, streamed), "content-length: 5 | [length]");
    assert.equal(rest(200, [], streamed), "transfer-encoding: chunked | [chunked]");
    assert.equal(rest(200, headers(["transfer-encoding", "gzip"]), complete(3)), "content-length: 3 | [length]");
    assert.equal(rest(200, length5, complete(5), { isHead: true }), "content-length: 5 | [none]");
    assert.equal(rest(200, [], streamed, { isHead: true }), "[none]");
    assert.equal(rest(204, length5, streamed), "[none]");
    assert.equal(rest(304, length5, complete(0)), "content-length: 5 | [none]");
    assert.equal(rest(304, [], complete(0)), "[none]");
    assert.equal(rest(200, [], streamed, { isConnect: true }), "connection: close | [none, closes]");
    const upgrade = headers(["connection", "upgrade"], ["upgrade", "websocket"], ["content-length", "0"]);
    assert.equal(rest(101, upgrade, complete(0)), "connection: upgrade | upgrade: websocket | [none]");
  });

  test("a connection that ends says so, and HTTP/1.0 gets no chunks", () => {
    assert.equal(rest(200, [], complete(1), { keepAlive: false }), "connection: close | content-length: 1 | [length, closes]");
    const asked = headers(["connection", "Close"]);
    assert.equal(rest(200, asked, complete(1)), "connection: close | content-length: 1 | [length, closes]");
    const kept = headers(["connection", "keep-alive"], ["keep-alive", "timeout=5"]);
    assert.equal(rest(200, kept, complete(1)), "content-length: 1 | [length]");
    const old: Partial<ResponseContext> = { minorVersion: 0, keepAlive: false };
    assert.equal(rest(200, [], streamed, old), "connection: close | [untilClose, closes]");
    assert.equal(lines(200, [], streamed, old)[0], "HTTP/1.0 200 OK");
    const oldKept: Partial<ResponseContext> = { minorVersion: 0, keepAlive: true };
    assert.equal(rest(200, [], complete(1), oldKept), "connection: keep-alive | content-length: 1 | [length]");
  });

  test("the client's date is kept", () => {
    assert.deepEqual(lines(200, headers(["date", "x"]), complete(0)).slice(1), ["date: x", "content-length: 0", "[length]"]);
  });

  test("an unknown status has an empty reason", () => {
    assert.equal(lines(599, [], complete(0))[0], "HTTP/1.1 599 ");
  });

  const invalid: readonly (readonly [why: string, status: number, list: HttpHeaders, body: ResponseBody])[] = [
    ["line end in a value", 200, headers(["a", "b\r\nc: d"]), complete(0)],
    ["line feed in a value", 200, headers(["a", "b\nc"]), complete(0)],
    ["NUL in a value", 200, headers(["a", "\0"]), complete(0)],
    ["line end in a name", 200, headers(["a\r\nb", "c"]), complete(0)],
    ["colon in a name", 200, headers(["a: b", "c"]), complete(0)],
    ["empty name", 200, headers(["", "c"]), complete(0)],
    ["name beyond ASCII", 200, headers(["\u212a", "c"]), complete(0)],
    ["two lengths", 200, headers(["content-length", "1", "2"]), streamed],
    ["malformed length", 200, headers(["content-length", "5, 5"]), streamed],
    ["length other than the body's", 200, headers(["content-length", "5"]), complete(4)],
    ["interim status", 100, [], complete(0)],
    ["status out of range", 1000, [], complete(0)],
    ["status that is no integer", 200.5, [], complete(0)],
  ];
  for (const [why, status, list, body] of invalid) {
    test(`invalid: ${why}`, () => {
      assert.throws(() => encodeResponseHead({ status, headers: list, body }, plain), InvalidResponse);
    });
  }

  test("whatever a client sends is one head for the peer, or nothing", () => {
    const text = fc.string({ unit: fc.constantFrom("a", ":", " ", "\r", "\n", "\0", "\xff", "content-length", "5"), maxLength: 5 });
    const list = fc.array(fc.tuple(text, fc.array(text, { maxLength: 2 })), { maxLength: 4 });
    fc.assert(
      fc.property(list, fc.integer({ min: 100, max: 600 }), (entries, status) => {
        let bytes: Uint8Array;
        try {
          const parts = entries.map(([name, values]) => [name, ...values] as const);
          bytes = encodeResponseHead({ status, headers: headers(...parts), body: streamed }, plain).bytes;
        } catch (error) {
          assert.ok(error instanceof InvalidResponse);
          return;
        }
        const head = new ResponseHead();
        assert.equal(head.scan(bytes, 0, bytes.length, plain), "complete", head.reason);
        assert.equal(head.length, bytes.length);
      }),
      { numRuns: 2000 },
    );
  });
});

suite("response bodies", () => {
  const joined = (framing: ResponseFraming, pieces: readonly string[], trailers: HttpHeaders = []): string => {
    const encoder = new ResponseBodyEncoder(framing);
    const out = pieces.flatMap((piece) => encoder.data(Buffer.from(piece)));
    return Buffer.concat([...out, ...encoder.end(trailers)]).toString("latin1");
  };

  test("chunks carry sizes, empty pieces vanish, announced trailers follow", () => {
    const framing: ResponseFraming = { kind: "chunked", trailerNames: new Set(["x-sum", "content-length"]) };
    const trailers = headers(["x-sum", "1"], ["x-other", "2"], ["content-length", "3"]);
    const text = joined(framing, ["hello", "", "0123456789abcdef"], trailers);
    assert.equal(text, "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nx-sum: 1\r\n\r\n");
    const body = new ChunkedBody();
    assert.equal(body.advance(Buffer.from(text, "latin1"), 0, text.length), "done");
    assert.equal(joined({ kind: "chunked", trailerNames: new Set() }, ["a"], trailers), "1\r\na\r\n0\r\n\r\n");
  });

  test("trailers of a complete response make it chunked only where the peer takes them", () => {
    const response = { status: 200, headers: headers(["trailer", "X-Sum"]), body: complete(1, true) };
    const accepted = encodeResponseHead(response, { ...plain, acceptsTrailers: true });
    assert.equal(accepted.framing.kind, "chunked");
    assert.ok(accepted.framing.kind === "chunked" && accepted.framing.trailerNames.has("x-sum"));
    assert.equal(encodeResponseHead(response, plain).framing.kind, "length");
  });

  test("a body that breaks its announced length is an error", () => {
    assert.equal(joined({ kind: "length", length: 3 }, ["ab", "c"]), "abc");
    assert.throws(() => joined({ kind: "length", length: 3 }, ["ab", "cd"]), InvalidResponse);
    assert.throws(() => joined({ kind: "length", length: 3 }, ["ab"]), InvalidResponse);
    assert.equal(joined({ kind: "none" }, ["ab"]), "");
    assert.equal(joined({ kind: "untilClose" }, ["ab"]), "ab");
  });

  test("a trailer cannot break out of its line", () => {
    const framing: ResponseFraming = { kind: "chunked", trailerNames: new Set(["a"]) };
    assert.throws(() => joined(framing, [], headers(["a", "b\r\nc"])), InvalidResponse);
  });
});

test("the agent's own answers", () => {
  const request = { minorVersion: 1, isHead: false, keepAlive: true } as const;
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
  assert.equal(
    text(badGateway("1.2.3", "the request was dropped", request, DATE)),
    `HTTP/1.1 502 Bad Gateway\r\ncontent-length: 46\r\ndate: ${DATE}\r\n\r\nmirrord-agent v1.2.3: the request was dropped\n`,
  );
  const old = text(badGateway("1", "x\ny", { minorVersion: 0, isHead: true, keepAlive: false }, DATE));
  assert.equal(old, `HTTP/1.0 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 22\r\ndate: ${DATE}\r\n\r\n`);
  assert.equal(
    text(refusal(431, DATE)),
    `HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: ${DATE}\r\n\r\n`,
  );
});

test("the date is formatted once a second", () => {
  const date = new HttpDate();
  assert.equal(date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  assert.equal(date.at(999), "Thu, 01 Jan 1970 00:00:00 GMT");
  assert.equal(date.at(1000), "Thu, 01 Jan 1970 00:00:01 GMT");
});

test("a request in memory of its own becomes a message with grouped lower-case headers that outlive the buffer", () => {
  const bytes = Buffer.from(
    "..\r\nPATCH http://h/p?q=\xc3\xa4 HTTP/1.0\r\nHost: h\r\nX-Two: a \r\naccept: *\r\nx-tWO:\xff\r\n\r\n",
    "latin1",
  );
  const head = new RequestHead();
  assert.equal(head.scan(bytes, 2, bytes.length), "complete", head.reason);
  const own = ownHead(bytes, 2, head);
  const message = requestParts(own, head);
  bytes.fill(0);
  assert.equal(message.method, "PATCH");
  assert.equal(requestTargetText(own, head), "http://h/p?q=\u00e4");
  assert.equal(message.version, "HTTP/1.0");
  const texts = message.headers.map(([name, values]) => [name, ...values.map((value) => Buffer.from(value).toString("latin1"))]);
  assert.deepEqual(texts, [
    ["host", "h"],
    ["x-two", "a", "\xff"],
    ["accept", "*"],
  ]);
});

test("headers of one name are one group, also among many", () => {
  const others = Array.from({ length: 40 }, (_, i) => `x-${i}: ${i}\r\n`);
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nvia: a\r\n${others.join("")}Via: b\r\nX-7: again\r\nhost: h\r\n\r\n`);
  const head = new RequestHead();
  assert.equal(head.scan(bytes, 0, bytes.length), "complete", head.reason);
  const texts = requestParts(bytes, head).headers.map(([name, values]) => `${name}: ${values.map(String).join(", ")}`);
  assert.deepEqual(texts, ["via: a, b", ...others.map((line, i) => (i === 7 ? "x-7: 7, again" : line.trim())), "host: h"]);
});
