// How a list of headers is read when names repeat: a name with one value replaces the earlier one, any other adds to it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "./decode.ts";
import { type HttpHeaders, httpHeaders } from "./httpParts.ts";
import { encode } from "./testing/streams.ts";

const value = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

function read(headers: HttpHeaders): string[] {
  const decoded = decode(httpHeaders, encode(httpHeaders, headers));
  assert.ok(decoded.kind === "value");
  return decoded.value.map(([name, values]) => `${name}: ${values.map((bytes) => String.fromCharCode(...bytes)).join(", ")}`);
}

for (const others of [0, 40]) {
  test(`a repeated name among ${others} others is found again, whatever its case`, () => {
    const more = Array.from({ length: others }, (_, i): HttpHeaders[number] => [`x-${i}`, [value(String(i))]]);
    const headers: HttpHeaders = [
      ["Accept", [value("a")]],
      ["vary", [value("a"), value("b")]],
      ...more,
      ["ACCEPT", [value("b")]],
      ["Vary", [value("c"), value("d")]],
      ["vary", []],
    ];
    const rest = more.map((_, i) => `x-${i}: ${i}`);
    assert.deepEqual(read(headers), ["accept: b", "vary: a, b, c, d", ...rest]);
  });
}
