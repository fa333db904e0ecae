// Texts of IP and socket addresses: one canonical form out (RFC 5952), every valid form in.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decode } from "./decode.ts";
import { formatIp, formatSocketAddr, ipAddr, parseIp, parseSocketAddr, socketAddr } from "./netAddress.ts";
import { encode } from "./testing/streams.ts";

const canonical = [
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:DB8::00A0", "2001:db8::a0"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["0:0:3::", "0:0:3::"],
  ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
  ["::ffff:a00:1", "::ffff:10.0.0.1"],
  ["::ffff:0:0", "::ffff:0.0.0.0"],
  ["::10.0.0.1", "::a00:1"],
  ["::ffff:0:10.0.0.1", "::ffff:0:a00:1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
  ["fe80::1", "fe80::1"],
] as const;

const invalidIps = [
  [
    "",
    " ",
    "localhost",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.-4",
    "1.2.3.4 ",
    "0x1.2.3.4",
    "1..3.4",
    "1.2.3.",
    "+1.2.3.4",
    "1e1.2.3.4",
  ],
  [
    ":",
    ":::",
    "::1::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "1::2:3:4:5:6:7:8",
    "12345::",
    "g::",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
  ],
  [
    "[::1]",
    "::1%eth0",
    "fe80::1%1",
    "::1.2.3",
    "::1.2.3.4:5",
    "1.2.3.4::",
    "1.2.3.4::1",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::\u0661",
  ],
].flat();

suite("IP addresses", () => {
  for (const [text, expected] of canonical) {
    test(`${text} is ${expected}`, () => {
      const bytes = parseIp(text);
      assert.ok(bytes);
      assert.equal(formatIp(bytes), expected);
      assert.deepEqual(parseIp(expected), bytes);
      const written = encode(ipAddr, text);
      assert.deepEqual(written, Uint8Array.of(bytes.length === 4 ? 0 : 1, ...bytes));
      assert.deepEqual(decode(ipAddr, written), { kind: "value", value: expected, used: written.length });
    });
  }

  test("other texts are none, and cannot be written", () => {
    for (const text of invalidIps) {
      assert.equal(parseIp(text), null, text);
      assert.throws(() => encode(ipAddr, text), { name: "EncodeError", message: `not an IP address: ${text}` });
    }
  });

  test("a third family is malformed", () => {
    assert.throws(() => decode(ipAddr, Uint8Array.of(2)), {
      name: "ProtocolError",
      code: "malformed",
      message: "IpAddr: variant 2 exceeds 1, the last one known",
    });
  });
});

suite("socket addresses", () => {
  for (const text of ["10.0.0.1:0", "10.0.0.1:65535", "[::]:80", "[::ffff:10.0.0.1]:443", "[2001:db8::a0]:250"]) {
    test(`${text} is itself`, () => {
      const address = parseSocketAddr(text);
      assert.ok(address);
      assert.equal(formatSocketAddr(address), text);
      assert.deepEqual(decode(socketAddr, encode(socketAddr, address)), {
        kind: "value",
        value: address,
        used: encode(socketAddr, address).length,
      });
    });
  }

  test("other texts are none", () => {
    const texts = [
      "",
      "10.0.0.1",
      "10.0.0.1:",
      ":80",
      "10.0.0.1:65536",
      "10.0.0.1:-1",
      "10.0.0.1:8o",
      "::1:80",
      "[::1]",
      "[::1]80",
      "[10.0.0.1]:80",
      "::ffff:10.0.0.1:80",
    ];
    for (const text of texts) assert.equal(parseSocketAddr(text), null, text);
  });

  test("a port out of range cannot be written", () => {
    for (const port of [-1, 65536, 1.5, Number.NaN]) {
      assert.throws(() => encode(socketAddr, { ip: "10.0.0.1", port }), {
        name: "EncodeError",
        message: `port: ${port} is no integer from 0 to 65535`,
      });
    }
  });
});
