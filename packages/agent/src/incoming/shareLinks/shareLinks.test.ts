import assert from "node:assert/strict";
import { test } from "node:test";
import { endedPage } from "./endedPage.ts";
import { shareVerdict, type SharedInput, type ShareVerdict } from "./sharedRequest.ts";
import { ShareKeys } from "./shareKeys.ts";

const set = "mirrord-session=k1; Path=/; HttpOnly; SameSite=Lax";
const clear = "mirrord-session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";
const entry = "mirrord-session=k1";

function verdict(input: Partial<SharedInput>): ShareVerdict | null {
  return shareVerdict({ target: "/", cookies: [], baggage: [], ...input }, (key) => key === "k1");
}

for (const [target, expected] of [
  ["/a?mirrord-session=k1", "/a"],
  ["/a?x=1&mirrord-session=k1&y=%20&&z", "/a?x=1&y=%20&&z"],
  ["/a?mirrord-session=&mirrord-session=k1&mirrord-session=other", "/a"],
  ["/a?mirrord-session&mirrord-session=k1", "/a"],
  ["http://shop.test?mirrord-session=k1", "http://shop.test/"],
  ["http://shop.test/b?mirrord-session=k1&q", "http://shop.test/b?q"],
  ["?mirrord-session=k1", "/"],
] as const) {
  test(`a live key leaves the query: ${target}`, () => {
    assert.deepEqual(verdict({ target }), { kind: "shared", target: expected, baggage: entry, setCookie: set });
  });
}

for (const target of [
  "/a",
  "/a?",
  "/a?mirrord-session",
  "/a?mirrord-session=&x",
  "/a?Mirrord-Session=k1",
  "/a?mirrord-session%3Dk1",
  "/mirrord-session=k1",
  "*",
]) {
  test(`there is no key in ${target}`, () => assert.equal(verdict({ target }), null));
}

test("a key that is not live leads to a page without it, whatever the cookie says", () => {
  assert.deepEqual(verdict({ target: "/a?b&mirrord-session=old", cookies: [entry] }), { kind: "ended", continueTo: "/a?b" });
});

for (const [cookies, expected] of [
  [["a=b; mirrord-session=k1; c"], { kind: "shared", target: null, baggage: entry, setCookie: null }],
  [["a=b", "mirrord-session=k1"], { kind: "shared", target: null, baggage: entry, setCookie: null }],
  [["mirrord-session=; mirrord-session=k1"], { kind: "shared", target: null, baggage: entry, setCookie: null }],
  [["mirrord-session=old; mirrord-session=k1"], { kind: "shared", target: null, baggage: null, setCookie: clear }],
  [["xmirrord-session=k1"], null],
  [["mirrord-session="], null],
] as const) {
  test(`the cookie tells of the session: ${cookies.join(" | ")}`, () => assert.deepEqual(verdict({ cookies }), expected));
}

test("baggage is joined, and an entry that is there already is not added", () => {
  const baggage = (values: readonly string[]): unknown => {
    const found = verdict({ cookies: [entry], baggage: values });
    return found?.kind === "shared" ? found.baggage : found;
  };
  assert.equal(baggage(["a=1,b=2", "c=3"]), `a=1,b=2,c=3,${entry}`);
  assert.equal(baggage(["a=1", `b=2, ${entry}`]), null);
  assert.equal(baggage([`${entry}0`]), `${entry}0,${entry}`);
});

test("a key is live as long as one session has it", () => {
  const keys = new ShareKeys();
  const [one, other] = [keys.join(), keys.join()];
  assert.equal(one.register("k"), null);
  assert.equal(one.register("k"), null);
  assert.equal(other.register("k"), null);
  one.remove("k");
  assert.equal(keys.isLive("k"), true);
  one.remove("k");
  assert.equal(keys.isLive("k"), true);
  other[Symbol.dispose]();
  assert.equal(keys.isLive("k"), false);
  assert.equal(keys.isEmpty, true);
});

test("keys that cannot be headers, and too many, are refused", () => {
  const session = new ShareKeys().join();
  for (const key of ["", "a\r\nb", "x".repeat(1025)]) assert.notEqual(session.register(key), null);
  for (let i = 0; i < 256; i += 1) assert.equal(session.register(`k${i}`), null);
  assert.match(session.register("one more") ?? "", /256/);
  assert.equal(session.register("k0"), null);
});

test("the page leads on and holds nothing of a peer unescaped", () => {
  const html = Buffer.from(endedPage(`/a?<script>'"&`)).toString();
  assert.match(html, /<title>mirrord session ended<\/title>/);
  assert.match(html, /<h1>Session ended<\/h1>/);
  assert.match(html, /content="5;url=\/a\?&lt;script&gt;&#39;&quot;&amp;"/);
});
