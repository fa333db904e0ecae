// Request heads that two servers may read in two ways. None may ever be interpreted: the answer is always "ambiguous". And bodies that are not what they say are never
// taken for what they may have meant.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { RequestHead } from "./head.ts";
import { requestBody } from "./passedExchange.ts";
import { AMBIGUOUS_HEADS, CLEAR_REQUESTS, MALFORMED_BODIES } from "./requestCasesFixture.ts";

for (const [name, heads] of Object.entries(AMBIGUOUS_HEADS)) {
  suite(`ambiguous: ${name}`, () => {
    for (const text of heads) {
      test(JSON.stringify(text), () => {
        const bytes = Buffer.from(text, "latin1");
        const head = new RequestHead();
        assert.equal(head.scan(bytes, 0, bytes.length), "ambiguous");
        assert.notEqual(head.reason, "");
      });
    }
  });
}

for (const [name, requests] of Object.entries(MALFORMED_BODIES)) {
  suite(`malformed: ${name}`, () => {
    for (const text of requests) {
      test(JSON.stringify(text.slice(0, 200)), () => {
        const bytes = Buffer.from(text, "latin1");
        const head = new RequestHead();
        assert.equal(head.scan(bytes, 0, bytes.length), "complete", head.reason);
        assert.equal(requestBody(head)?.advance(bytes, head.length, bytes.length), "malformed");
        // Wherever it is cut.
        const body = requestBody(head);
        let state: string | undefined = "more";
        for (let at = head.length; at < bytes.length && state === "more"; at++) state = body?.advance(bytes, at, at + 1);
        assert.equal(state, "malformed");
      });
    }
  });
}

suite("clear", () => {
  for (const { text } of CLEAR_REQUESTS) {
    test(JSON.stringify(text.slice(0, 200)), () => {
      const bytes = Buffer.from(text, "latin1");
      const head = new RequestHead();
      assert.equal(head.scan(bytes, 0, bytes.length), "complete", head.reason);
      const body = requestBody(head);
      assert.equal(body?.advance(bytes, head.length, bytes.length) ?? "done", "done");
      assert.equal(head.length + (body?.consumed ?? 0), bytes.length);
    });
  }
});
