// Which texts are versions, how versions are ordered, and which one two peers agree on.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decode } from "./decode.ts";
import { ClientMessage } from "./messages/clientMessage.ts";
import { compareVersions, parseVersion, type Version } from "./semver.ts";
import { encode } from "./testing/streams.ts";
import { negotiate, PROTOCOL_VERSION } from "./versionGates.ts";

suite("versions", () => {
  test("texts that are versions", () => {
    const texts = [
      "0.0.0",
      "1.29.0",
      "18446744073709551615.0.18446744073709551615",
      ["1.0.0-a", "1.0.0-0", "1.0.0-0a", "1.0.0-a.1.-", "1.0.0--", "1.0.0-1-", "1.0.0-x.7.z.92"],
      ["1.0.0+0", "1.0.0+007", "1.0.0+a.b", "1.0.0-a+b", "1.0.0+-"],
      `1.0.0-${"a.".repeat(1000)}a`,
    ].flat();
    for (const text of texts) assert.ok(parseVersion(text), text);
  });

  test("texts that are not", () => {
    const texts = [
      ["", "1", "1.2", "1.2.3.4", "v1.2.3", " 1.2.3", "1.2.3 ", "1.2.3\n", "1..3", "a.b.c", "-1.2.3", "1.2.x", "*"],
      [
        "01.2.3",
        "1.02.3",
        "1.2.03",
        "1.2.3-01",
        "1.2.3-",
        "1.2.3-a..b",
        "1.2.3-a.",
        "1.2.3+",
        "1.2.3+a..b",
        "1.2.3+a+b",
        "1.2.3-ä",
        "1.2.3-a_b",
      ],
      ["18446744073709551616.0.0", "0.18446744073709551616.0", "0.0.99999999999999999999", "0.0.999999999999999999999"],
    ].flat();
    for (const text of texts) assert.equal(parseVersion(text), null, text);
  });

  test("are ordered by release, then pre-release, then build", () => {
    const ascending = [
      [
        "0.9.9",
        "1.0.0-0",
        "1.0.0-1",
        "1.0.0-9",
        "1.0.0-10",
        "1.0.0-10.a",
        "1.0.0--",
        "1.0.0-A",
        "1.0.0-a",
        "1.0.0-a.1",
        "1.0.0-a.b",
        "1.0.0-b",
      ],
      ["1.0.0", "1.0.0+0", "1.0.0+00", "1.0.0+1", "1.0.0+01", "1.0.0+9", "1.0.0+10", "1.0.0+10.0", "1.0.0+a", "1.0.0+a.1"],
      ["1.0.1-a", "1.0.1", "1.2.0", "1.10.0", "2.0.0-a", "2.0.0", "10.0.0", "9007199254740993.0.0", "18446744073709551615.0.0"],
    ].flat();
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) {
        assert.equal(Math.sign(compareVersions(version(a), version(b))), Math.sign(i - j), `${a} and ${b}`);
      }
    }
  });

  test("beyond what a double can tell apart are told apart", () => {
    assert.ok(compareVersions(version("9007199254740992.0.0"), version("9007199254740993.0.0")) < 0);
    assert.ok(compareVersions(version("1.0.0-99999999999999999999999"), version("1.0.0-99999999999999999999998")) > 0);
  });

  // Matching such texts without a bound took seconds, or overflowed the stack of the regular expression.
  for (const [name, text] of [
    ["a number of a million digits", `${"9".repeat(1_000_000)}.0.0`],
    ["four million pre-release parts", `1.0.0-${"a.".repeat(4_000_000)}a`],
    ["eight million build parts", `1.0.0+${"a.".repeat(8_000_000)}!`],
  ] as const) {
    test(`a version with ${name} is refused at once`, () => {
      const bytes = Uint8Array.of(10, 252, ...[0, 8, 16, 24].map((shift) => (text.length >>> shift) & 0xff));
      const message = new Uint8Array(bytes.length + text.length);
      message.set(bytes);
      message.set(new TextEncoder().encode(text), bytes.length);
      const start = process.cpuUsage();
      assert.throws(() => decode(ClientMessage, message), {
        name: "ProtocolError",
        code: "malformed",
        message: /^not a semantic version: ".{0,100}"$/,
      });
      assert.ok(process.cpuUsage(start).user < 1_000_000);
    });
  }
});

suite("negotiation", () => {
  const ours = PROTOCOL_VERSION;
  const table = [
    ["1.28.9", "1.28.9", "a lower version is the client's"],
    ["1.29.0", ours, "equal versions"],
    ["1.29.1", ours, "a higher version"],
    ["1.29.0-beta.1", "1.29.0-beta.1", "a pre-release of ours is lower than ours"],
    ["1.30.0-beta.1", ours, "a pre-release of a higher one is higher"],
    ["1.29.0+build", ours, "build metadata makes a version higher"],
    ["1.29.0-rc+build", "1.29.0-rc+build", "metadata of a pre-release changes nothing"],
    ["18446744073709551615.0.0", ours, "the highest of all"],
  ] as const;
  for (const [theirs, agreed, name] of table) {
    test(name, () => {
      assert.equal(negotiate(ours, theirs), agreed);
      assert.equal(negotiate(theirs, ours), agreed);
      const message = { kind: "switchProtocolVersion", value: theirs } as const;
      assert.deepEqual(decode(ClientMessage, encode(ClientMessage, message)), { kind: "value", value: message, used: theirs.length + 2 });
    });
  }

  test("a text that is no version is the caller's mistake", () => {
    assert.throws(() => negotiate(ours, "latest"), { name: "TypeError", message: "not a version: latest" });
  });
});

function version(text: string): Version {
  const parsed = parseVersion(text);
  assert.ok(parsed, text);
  return parsed;
}
