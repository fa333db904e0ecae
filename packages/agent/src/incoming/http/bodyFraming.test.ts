// Where bodies end, that any cut gives the same end and the same data, and what is refused in chunked bodies.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { HttpHeaders } from "@understudy/protocol";
import { ChunkedBody, LengthBody, UntilCloseBody, type BodyState, type BodyTracker } from "./bodyFraming.ts";

interface Outcome {
  state: BodyState;
  consumed: number;
  data: string;
  trailers: HttpHeaders;
}

/** Feeds `bytes` in pieces that end at `cuts`; stops at a final state, as a connection would. */
function run(body: BodyTracker, bytes: Buffer, cuts: readonly number[], decodes: boolean): Outcome {
  const outcome: Outcome = { state: "more", consumed: 0, data: "", trailers: [] };
  const sink = {
    onData: (view: Uint8Array): void => {
      assert.ok(view.length > 0);
      outcome.data += Buffer.from(view).toString("latin1");
    },
    onTrailers: (trailers: HttpHeaders): void => {
      outcome.trailers = trailers;
    },
  };
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    outcome.state = decodes ? body.decode(bytes, at, cut, sink) : body.advance(bytes, at, cut);
    outcome.consumed += body.consumed;
    if (outcome.state !== "more") break;
    assert.equal(body.consumed, cut - at);
    at = cut;
  }
  return outcome;
}

function chunked(text: string, decodes = true): Outcome {
  return run(new ChunkedBody(), Buffer.from(text, "latin1"), [], decodes);
}

const long = '5\r\nhello\r\n00A;ext="v; w"\r\n0123456789\r\n0\r\nX-Sum: a b \r\nx-sum:c\r\nY:\r\n\r\n';

test("a chunked body ends after its trailers and yields data and trailers", () => {
  const outcome = chunked(`${long}GET /`);
  assert.equal(outcome.state, "done");
  assert.equal(outcome.consumed, long.length);
  assert.equal(outcome.data, "hello0123456789");
  const names = outcome.trailers.map(([name, values]) => [name, ...values.map((value) => Buffer.from(value).toString())]);
  assert.deepEqual(names, [
    ["x-sum", "a b", "c"],
    ["y", ""],
  ]);
});

test("a chunked body cut at any byte ends at the same byte with the same data", () => {
  const bytes = Buffer.from(`${long}rest`, "latin1");
  const whole = run(new ChunkedBody(), bytes, [], true);
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.deepEqual(run(new ChunkedBody(), bytes, [cut], true), whole);
    assert.equal(run(new ChunkedBody(), bytes, [cut], false).consumed, whole.consumed);
  }
  const each = Array.from(bytes.keys());
  assert.deepEqual(run(new ChunkedBody(), bytes, each, true), whole);
});

suite("malformed chunked bodies", () => {
  for (const text of [
    "\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\t;x\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhellooo\r\n0\r\n\r\n",
    "5\r\rhello\r\n0\r\n\r\n",
    "g\r\n",
    ";x\r\nhello\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "5;a\0\r\nhello\r\n0\r\n\r\n",
    "00000000000000005\r\nhello\r\n",
    "ffffffffffffffff\r\n",
    "20000000000001\r\n",
    "0\r\nX : a\r\n\r\n",
    "0\r\nX\r\n\r\n",
    "0\r\n X: a\r\n\r\n",
    "0\r\nX: a\n\r\n",
    "0\r\n\n",
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nHost: b\r\n\r\n",
    `5;${"x".repeat(20_000)}\r\nhello\r\n0\r\n\r\n`,
    `0\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
    `0\r\n${"X: y\r\n".repeat(129)}\r\n`,
  ]) {
    test(JSON.stringify(text.slice(0, 60)), () => {
      assert.equal(chunked(text).state, "malformed");
      assert.equal(chunked(text, false).state, "malformed");
    });
  }

  test("a body stays malformed", () => {
    const body = new ChunkedBody();
    const bytes = Buffer.from("zz0\r\n\r\n");
    assert.equal(body.advance(bytes, 0, 1), "malformed");
    assert.notEqual(body.reason, "");
    assert.equal(body.advance(bytes, 2, bytes.length), "malformed");
  });

  test("extensions of all chunks together are limited", () => {
    const text = `1;${"x".repeat(1000)}\r\na\r\n`.repeat(17);
    assert.equal(chunked(text).state, "malformed");
  });
});

test("any bytes in any pieces end alike, decoded or not", () => {
  const part = fc.constantFrom("0", "5", "a", "\r\n", "hello", ";x", "\r", "\n", "X: y", "0\r\n\r\n", "5\r\nhello\r\n", "\0");
  const input = fc.array(part, { maxLength: 12 }).map((parts) => Buffer.from(parts.join("")));
  fc.assert(
    fc.property(input, fc.array(fc.nat(40), { maxLength: 4 }), (bytes, at) => {
      const cuts = at.filter((cut) => cut <= bytes.length).sort((a, b) => a - b);
      const whole = run(new ChunkedBody(), bytes, [], true);
      const pieces = run(new ChunkedBody(), bytes, cuts, true);
      const tracked = run(new ChunkedBody(), bytes, cuts, false);
      assert.equal(pieces.state, whole.state);
      assert.equal(tracked.state, whole.state);
      assert.equal(pieces.data, whole.data);
      if (whole.state === "done") {
        assert.equal(pieces.consumed, whole.consumed);
        assert.equal(tracked.consumed, whole.consumed);
        assert.deepEqual(pieces.trailers, whole.trailers);
      }
    }),
    { numRuns: 3000 },
  );
});

test("a body of known length ends after it, cut anywhere", () => {
  const bytes = Buffer.from("0123456789next");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const outcome = run(new LengthBody(10), bytes, [cut], true);
    assert.deepEqual([outcome.state, outcome.consumed, outcome.data], ["done", 10, "0123456789"]);
  }
  assert.equal(run(new LengthBody(0), bytes, [], true).consumed, 0);
});

test("only a complete body survives the end of the stream", () => {
  const bytes = Buffer.from("abc");
  const short = new LengthBody(4);
  short.advance(bytes, 0, 3);
  assert.equal(short.endOfStream(), "malformed");
  assert.equal(new LengthBody(0).endOfStream(), "done");
  assert.equal(new ChunkedBody().endOfStream(), "malformed");
  const ended = new ChunkedBody();
  ended.advance(Buffer.from("0\r\n\r\n"), 0, 5);
  assert.equal(ended.endOfStream(), "done");
  const untilClose = new UntilCloseBody();
  const outcome = run(untilClose, bytes, [1], true);
  assert.deepEqual([outcome.state, outcome.data, untilClose.endOfStream()], ["more", "abc", "done"]);
});
