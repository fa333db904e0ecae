// Request and response heads: what they say, that any cut gives the same, and that nothing unsafe is interpreted.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { RequestHead, ResponseHead, type HeadLimits, type ScanResult } from "./head.ts";

const limits: HeadLimits = { headMaxBytes: 64 * 1024, maxFields: 256 };

function scan(text: string, head = new RequestHead()): RequestHead & { result: ScanResult } {
  const bytes = Buffer.from(text, "latin1");
  const result = head.scan(bytes, 0, bytes.length);
  return Object.assign(head, { result });
}

function scanResponse(text: string, facts = { isHead: false, isConnect: false }): ResponseHead & { result: ScanResult } {
  const head = new ResponseHead();
  const bytes = Buffer.from(text, "latin1");
  const result = head.scan(bytes, 0, bytes.length, facts);
  return Object.assign(head, { result });
}

const browser =
  "GET /path/page?x=1 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept:  text/html \t\r\n" +
  "X-Empty:\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";

test("a request head is described by offsets that count from its start", () => {
  const bytes = Buffer.from(`skip${browser}BODY`, "latin1");
  const head = new RequestHead();
  assert.equal(head.scan(bytes, 4, bytes.length), "complete");
  const text = (start: number, end: number): string => bytes.toString("latin1", head.start + start, head.start + end);
  assert.equal(head.length, browser.length);
  assert.equal(text(head.methodStart, head.methodEnd), "GET");
  assert.equal(text(head.targetStart, head.targetEnd), "/path/page?x=1");
  const fields = Array.from({ length: head.fields.count }, (_, i) => [
    text(head.fields.nameStart(i), head.fields.nameEnd(i)),
    text(head.fields.valueStart(i), head.fields.valueEnd(i)),
  ]);
  assert.deepEqual(fields, [
    ["Host", "shop.example:8080"],
    ["User-Agent", "Mozilla/5.0 (X11)"],
    ["Accept", "text/html"],
    ["X-Empty", ""],
    ["Connection", "keep-alive, Upgrade"],
    ["Upgrade", "websocket"],
  ]);
  assert.equal(head.bodyKind, "none");
  assert.ok(head.keepAlive && head.hasUpgrade && !head.isConnect && !head.expectContinue);
  assert.equal(head.fields.find(bytes, head.start, "accept"), 2);
  assert.equal(head.fields.find(bytes, head.start, "accepT-x"), -1);
});

suite("framing and connection facts of requests", () => {
  const facts: readonly (readonly [headers: string, body: string, keepAlive: boolean])[] = [
    ["GET / HTTP/1.1\r\n", "none", true],
    ["GET / HTTP/1.1\r\nConnection: close\r\n", "none", false],
    ["GET / HTTP/1.1\r\nConnection: x, CLOSE ,y\r\n", "none", false],
    ["GET / HTTP/1.0\r\n", "none", false],
    ["GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", "none", true],
    ["GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n", "none", false],
    ["POST / HTTP/1.1\r\nContent-Length: 12\r\n", "length 12", true],
    ["POST / HTTP/1.1\r\nCONTENT-LENGTH:\t0 \r\n", "length 0", true],
    ["POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n", "chunked", true],
    ["OPTIONS * HTTP/1.1\r\n", "none", true],
    ["GET http://A.example/x HTTP/1.1\r\nHost: a.EXAMPLE\r\n", "none", true],
    ["GET http://a.example HTTP/1.1\r\n", "none", true],
    ["CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n", "none", true],
    ["\r\n\r\nGET / HTTP/1.1\r\n", "none", true],
    ['GET /^|\\{}" HTTP/1.1\r\n', "none", true],
    ["GET /\xc3\xa4 HTTP/1.1\r\nX: \xff\r\n", "none", true],
  ];
  for (const [start, body, keepAlive] of facts) {
    test(JSON.stringify(start), () => {
      const head = scan(`${start}\r\n`);
      assert.equal(head.result, "complete", head.reason);
      assert.equal(head.bodyKind === "length" ? `length ${head.bodyLength}` : head.bodyKind, body);
      assert.equal(head.keepAlive, keepAlive);
    });
  }

  test("CONNECT, HEAD and Expect are told", () => {
    assert.ok(scan("CONNECT a:1 HTTP/1.1\r\n\r\n").isConnect);
    assert.ok(scan("HEAD / HTTP/1.1\r\n\r\n").isHead);
    assert.ok(scan("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n").expectContinue);
    assert.ok(!scan("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").expectContinue);
  });
});

suite("framing of responses", () => {
  const head = { isHead: true, isConnect: false };
  const connect = { isHead: false, isConnect: true };
  const get = { isHead: false, isConnect: false };
  const cases: readonly (readonly [text: string, request: typeof get, body: string, keepAlive: boolean])[] = [
    ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", get, "length 5", true],
    ["HTTP/1.1 200\r\ncontent-length: 0\r\n", get, "length 0", true],
    ["HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n", get, "chunked", true],
    ["HTTP/1.1 200 OK\r\n", get, "untilClose", false],
    ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n", get, "length 5", false],
    ["HTTP/1.0 200 OK\r\ncontent-length: 5\r\n", get, "length 5", false],
    ["HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n", get, "length 5", true],
    ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", head, "none", true],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n", head, "none", true],
    ["HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n", get, "none", true],
    ["HTTP/1.1 204 No Content\r\n", get, "none", true],
    ["HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n", get, "none", true],
    ["HTTP/1.1 100 Continue\r\n", get, "none", true],
    ["HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n", get, "none", true],
    ["HTTP/1.1 200 Connection established\r\n", connect, "none", true],
    ["HTTP/1.1 404 Nicht gefunden \xe4\r\ncontent-length: 1\r\n", connect, "length 1", true],
  ];
  for (const [text, request, body, keepAlive] of cases) {
    test(`${JSON.stringify(text)} to ${JSON.stringify(request)}`, () => {
      const response = scanResponse(`${text}\r\n`, request);
      assert.equal(response.result, "complete", response.reason);
      assert.equal(response.bodyKind === "length" ? `length ${response.bodyLength}` : response.bodyKind, body);
      assert.equal(response.keepAlive, keepAlive);
    });
  }

  test("interim and switching responses are told apart", () => {
    assert.ok(scanResponse("HTTP/1.1 103 Early Hints\r\n\r\n").isInterim);
    const switched = scanResponse("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert.ok(switched.isSwitch && !switched.isInterim);
    assert.ok(scanResponse("HTTP/1.1 200 OK\r\n\r\n", connect).isSwitch);
  });

  for (const bad of [
    "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\ncontent-length: 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1 200 O\0K\r\n\r\n",
    "HTTP/2 200 OK\r\n\r\n",
    "ICY 200 OK\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
  ]) {
    test(`${JSON.stringify(bad)} is ambiguous`, () => {
      assert.equal(scanResponse(bad).result, "ambiguous");
    });
  }
});

suite("limits", () => {
  test("a head that is too long is refused, complete or not", () => {
    const small: HeadLimits = { headMaxBytes: 40, maxFields: 256 };
    for (const text of [`GET /${"x".repeat(50)}`, `GET / HTTP/1.1\r\nA: ${"x".repeat(30)}\r\n\r\n`]) {
      const bytes = Buffer.from(text);
      const head = new RequestHead();
      assert.equal(head.scan(bytes, 0, bytes.length, small), "refused");
      assert.match(head.reason, /headMaxBytes 40/);
    }
  });

  test("a head of exactly the limit is complete", () => {
    const bytes = Buffer.from("GET / HTTP/1.1\r\n\r\n");
    const exact: HeadLimits = { headMaxBytes: bytes.length, maxFields: 1 };
    assert.equal(new RequestHead().scan(bytes, 0, bytes.length, exact), "complete");
  });

  test("too many fields are refused", () => {
    const at = scan(`GET / HTTP/1.1\r\n${"A: b\r\n".repeat(256)}\r\n`);
    assert.equal(at.result, "complete");
    assert.equal(at.fields.count, 256);
    assert.equal(scan(`GET / HTTP/1.1\r\n${"A: b\r\n".repeat(257)}\r\n`).result, "refused");
  });
});

/** Scans `bytes` as they would come in pieces that end at `cuts`. */
function scanInPieces(bytes: Buffer, cuts: readonly number[]): [ScanResult, RequestHead] {
  const head = new RequestHead();
  for (const cut of [...cuts, bytes.length]) {
    // Each time in another place: only the start may tell where the head is.
    const shift = cut % 7;
    const moved = Buffer.concat([Buffer.alloc(shift, 0x2e), bytes.subarray(0, cut), Buffer.from("\r\n\r\n\r\n")]);
    const result = head.scan(moved, shift, shift + cut, limits);
    if (result !== "incomplete") return [result, head];
  }
  return ["incomplete", head];
}

function described(head: RequestHead): unknown {
  const { fields } = head;
  return {
    numbers: [head.length, head.methodStart, head.methodEnd, head.targetStart, head.targetEnd, head.minorVersion],
    body: [head.bodyKind, head.bodyLength],
    flags: [head.keepAlive, head.isConnect, head.hasUpgrade, head.expectContinue, head.targetForm],
    fields: Array.from({ length: fields.count }, (_, i) => [fields.nameStart(i), fields.valueStart(i), fields.valueEnd(i)]),
  };
}

suite("heads in pieces", () => {
  test("a head cut at any byte is the same head", () => {
    const bytes = Buffer.from(`\r\n${browser}`, "latin1");
    const [, whole] = scanInPieces(bytes, []);
    for (let cut = 0; cut < bytes.length; cut++) {
      const [result, head] = scanInPieces(bytes, [cut]);
      assert.equal(result, "complete");
      assert.deepEqual(described(head), described(whole));
    }
  });

  const part = fc.constantFrom(
    ..."GET |/ |HTTP/1.1|HTTP/1.0|\r\n|\r\n\r\n|\r|\n| |\t|Host: a|Host: b|:|A|Content-Length: 5|Content-Length: 6".split("|"),
    ..."Transfer-Encoding: chunked|GET / HTTP/1.1\r\n|\0|\xff|x: y\r\n".split("|"),
  );
  const parts = fc.array(part, { maxLength: 12 }).map((all) => Buffer.from(all.join(""), "latin1"));
  const started = parts.map((tail) => Buffer.concat([Buffer.from("GET / HTTP/1.1\r\n"), tail]));

  test("any bytes cut anywhere give the same result, at the latest byte", () => {
    const input = fc.oneof(
      parts,
      started,
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(input, fc.array(fc.nat(80), { maxLength: 4 }), (bytes, at) => {
        const cuts = at.filter((cut) => cut <= bytes.length).sort((a, b) => a - b);
        const [result, head] = scanInPieces(bytes, cuts);
        const [expected, whole] = scanInPieces(bytes, []);
        assert.equal(result, expected);
        if (result === "complete") assert.deepEqual(described(head), described(whole));
        if (result === "ambiguous") assert.equal(head.reason, whole.reason);
      }),
      { numRuns: 3000 },
    );
  });

  test("responses, too", () => {
    const response = parts.map((tail) => Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\n"), tail]));
    const facts = { isHead: false, isConnect: false };
    fc.assert(
      fc.property(fc.oneof(parts, response), fc.nat(80), (bytes, at) => {
        const cut = Math.min(at, bytes.length);
        const whole = new ResponseHead();
        const expected = whole.scan(bytes, 0, bytes.length, facts);
        const head = new ResponseHead();
        let result = head.scan(bytes, 0, cut, facts);
        if (result === "incomplete") result = head.scan(bytes, 0, bytes.length, facts);
        assert.equal(result, expected);
        if (result === "complete") assert.equal(head.length, whole.length);
      }),
      { numRuns: 2000 },
    );
  });

  test("an object is used again for the next head", () => {
    const head = new RequestHead();
    assert.equal(scan("POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\nConnection: close\r\n\r\n", head).result, "complete");
    assert.equal(scan("GET / HTTP/1.1\r\nHost: a\nb", head).result, "ambiguous");
    const second = scan("GET /2 HTTP/1.1\r\nHost: b\r\n\r\n", head);
    assert.equal(second.result, "complete", second.reason);
    assert.deepEqual([second.bodyKind, second.keepAlive, second.fields.count], ["none", true, 1]);
  });
});
