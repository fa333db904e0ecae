// What the first bytes of a connection are judged to be.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { MAX_UNDECIDED_BYTES, judge, type Verdict } from "./detect.ts";

const cases: readonly (readonly [sent: string, verdict: Verdict])[] = [
  ["", "undecided"],
  ["PRI * HTTP/2.0", "http2"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"],
  ["PRI * HTTP/2.", "undecided"],
  ["PRI * HTTP/2.1", "other"],
  ["GET / HTTP/1.1", "http1"],
  ["GET / HTTP/1.0\r\n", "http1"],
  ["GET / HTTP/1.", "undecided"],
  ["GET / HTTP/1.2", "other"],
  ["GET / HTTP/2", "other"],
  ["GET / http/1.1", "other"],
  ["FOO / HTTP/1.1\r\n", "http1"],
  ["GET   /x   HTTP/1.1", "http1"],
  ["GET /x y HTTP/1.1", "other"],
  ["GET /\u00e4 HTTP/1.1", "http1"],
  ["GET /\x01 HTTP/1.1", "other"],
  ["GET  ", "undecided"],
  ["hello", "undecided"],
  ["hello there", "undecided"],
  ["hello there\n", "other"],
  ["hello\n", "other"],
  ["EHLO mail.example\r\n", "other"],
  ["\x16\x03\x01", "other"],
  ["SSH-2.0-OpenSSH_9.2\r\n", "other"],
  ["*1\r\n$4\r\nPING\r\n", "other"],
  ["\x00", "other"],
  [" GET / HTTP/1.1", "other"],
  ["\r\nGET / HTTP/1.1", "http1"],
  ["\r\n\r\nGET / HTTP/1.1", "http1"],
  ["\r\n\r\n\r\nGET / HTTP/1.1", "other"],
  ["\r\nPRI * HTTP/2.0", "other"],
  ["\r", "undecided"],
  ["\rG", "other"],
  ["\nGET / HTTP/1.1", "other"],
  ["M".repeat(65), "other"],
  [`GET /${"x".repeat(MAX_UNDECIDED_BYTES)}`, "other"],
  [`GET /${"x".repeat(MAX_UNDECIDED_BYTES - 100)} HTTP/1.1`, "http1"],
];

suite("judge", () => {
  for (const [sent, verdict] of cases) {
    test(`${JSON.stringify(sent.slice(0, 40))} is ${verdict}`, () => {
      const bytes = Buffer.from(sent, "latin1");
      assert.equal(judge(bytes, bytes.length), verdict);
    });
  }

  test("a certain verdict is never taken back by more bytes", () => {
    const part = fc.constantFrom("GET", " ", "/", "HTTP/1.1", "\r\n", "PRI * HTTP/2.0", "x", "\0", "HTTP/1.");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const bytes = Buffer.from(parts.join(""), "latin1");
        let before: Verdict = "undecided";
        for (let length = 0; length <= bytes.length; length++) {
          const verdict = judge(bytes, length);
          if (before !== "undecided") assert.equal(verdict, before);
          before = verdict;
        }
      }),
    );
  });

  test("bytes behind the given length are not looked at", () => {
    assert.equal(judge(Buffer.from("GET / HTTP/1.1"), 10), "undecided");
  });
});
