// Addresses as users type them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHostPort, parseHostPort, parsePort } from "./hostPort.ts";

test("hosts, IPv4 and bracketed IPv6 addresses are taken with their port", () => {
  for (const [text, host, port] of [
    ["localhost:80", "localhost", 80],
    ["127.0.0.1:1", "127.0.0.1", 1],
    ["[::1]:65535", "::1", 65535],
  ] as const) {
    assert.deepEqual(parseHostPort(text), { host, port });
    assert.equal(formatHostPort({ host, port }), text);
  }
});

test("everything else says what is wrong with it", () => {
  const wrong: Record<string, RegExp> = {
    "3000": /localhost:3000/,
    "::1:80": /needs brackets/,
    ":80": /host is missing/,
    "a:": /from 1 to 65535/,
    "a:0": /from 1 to 65535/,
    "a:65536": /from 1 to 65535/,
    "a:1e3": /from 1 to 65535/,
    "[a]:80": /Only IPv6/,
    a: /HOST:PORT/,
  };
  for (const [text, expected] of Object.entries(wrong)) assert.throws(() => parseHostPort(text), expected, text);
  for (const text of ["", "-1", "80 ", "0x50", "65536"]) assert.throws(() => parsePort(text), /from 1 to 65535/, text);
});
