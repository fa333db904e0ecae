import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { formatIpv6 } from "./index.ts";
import { readSockaddr } from "./socketAddress.ts";

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(" ", ""), "hex");

test("IPv6 addresses are written in the canonical form", () => {
  const cases = [
    ["0000 0000 0000 0000 0000 0000 0000 0000", "::"],
    ["0000 0000 0000 0000 0000 0000 0000 0001", "::1"],
    ["fd00 0000 0000 0000 0000 0000 0000 0000", "fd00::"],
    ["2001 0db8 0000 0000 0001 0000 0000 0001", "2001:db8::1:0:0:1"],
    ["2001 0db8 0000 0001 0001 0001 0001 0001", "2001:db8:0:1:1:1:1:1"],
    ["2001 0000 0000 0001 0000 0000 0000 0001", "2001:0:0:1::1"],
    ["0000 0000 0000 0000 0000 ffff 0a00 0001", "::ffff:10.0.0.1"],
    ["ABCD EF01 2345 6789 abcd ef01 2345 6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"],
  ] as const;
  for (const [hex, text] of cases) {
    assert.equal(formatIpv6(bytes(hex)), text);
    assert.ok(net.isIPv6(text));
  }
});

test("sockaddrs of both families are read, others are not", () => {
  const ipv4 = Buffer.from(bytes("0200 1f90 0a01 02ff 0000 0000 0000 0000"));
  assert.deepEqual(readSockaddr(ipv4), { ip: "10.1.2.255", port: 8080 });
  const ipv6 = Buffer.from(bytes("0a00 0050 00000000 fe80 0000 0000 0000 0000 0000 0000 0009 00000003"));
  assert.deepEqual(readSockaddr(ipv6), { ip: "fe80::9", port: 80 });
  assert.equal(readSockaddr(Buffer.alloc(28)), null);
});
