// Header blocks: what another implementation writes is read, and what is written here is read by it; broken ones are errors, never anything else.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { createServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ConnectionError, ErrorCode } from "./errors.ts";
import type { Field } from "./fields.ts";
import { HpackDecoder } from "./hpackDecoder.ts";
import { blockMaxBytes, encodeBlock } from "./hpackEncoder.ts";

const MAX = 1 << 20;

function decode(decoder: HpackDecoder, hex: string, maxBytes = MAX): Field[] | null {
  const bytes = Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
  return decoder.decode(bytes, 0, bytes.length, maxBytes);
}

function encode(fields: readonly Field[], emptiesTable = false): Buffer {
  const out = Buffer.alloc(blockMaxBytes(fields));
  return out.subarray(0, encodeBlock(fields, out, 0, emptiesTable));
}

suite("reading header blocks", () => {
  test("the examples of RFC 7541, C.4: requests on one connection, with Huffman code", () => {
    const decoder = new HpackDecoder(4096);
    const common: Field[] = [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ];
    assert.deepEqual(decode(decoder, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), common);
    assert.deepEqual(decode(decoder, "8286 84be 5886 a8eb 1064 9cbf"), [...common, ["cache-control", "no-cache"]]);
    assert.deepEqual(decode(decoder, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"), [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ]);
  });

  test("the examples of RFC 7541, C.6: a table of 256 bytes, from which entries are evicted", () => {
    const decoder = new HpackDecoder(256);
    const head: Field[] = [
      ["cache-control", "private"],
      ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
      ["location", "https://www.example.com"],
    ];
    assert.deepEqual(
      decode(
        decoder,
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      ),
      [[":status", "302"], ...head],
    );
    assert.deepEqual(decode(decoder, "4883 640e ffc1 c0bf"), [[":status", "307"], ...head]);
    assert.deepEqual(
      decode(
        decoder,
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708
         7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ),
      [
        [":status", "200"],
        ["cache-control", "private"],
        ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
        ["location", "https://www.example.com"],
        ["content-encoding", "gzip"],
        ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
      ],
    );
  });

  test("every byte that a header may hold, in the Huffman code of another implementation", async () => {
    const values = Array.from({ length: 256 }, (_, byte) => byte)
      .filter((byte) => byte >= 0x20 && byte !== 0x7f)
      // Among so many short codes it is worth while to write the long one, too.
      .map((byte) => `${"a".repeat(40)}${String.fromCharCode(byte)}${"e".repeat(40)}`);
    const fields = await headersSentByNode(Object.fromEntries(values.map((value, index) => [`x-${index}`, value])));
    assert.deepEqual(
      fields.filter(([name]) => name.startsWith("x-")).map(([, value]) => value),
      values,
    );
  });

  test("a list beyond the limit is null, and the table is right for the next one", () => {
    const decoder = new HpackDecoder(4096);
    assert.equal(decode(decoder, `40 01 61 01 62 ${"be".repeat(100)}`, 3000), null);
    assert.deepEqual(decode(decoder, "be"), [["a", "b"]]);
  });

  test("what must not be put into a table is marked", () => {
    assert.deepEqual(decode(new HpackDecoder(4096), "10 01 61 01 62"), [["a", "b", true]]);
  });

  for (const [what, hex] of [
    ["index 0", "80"],
    ["an index beyond the table", "be"],
    ["an integer without an end", "ff ff ff ff ff ff ff ff ff ff"],
    ["a string longer than its block", "40 01 61 05 62"],
    ["a block that ends inside a field", "40 01 61"],
    ["a larger table than allowed", "3f e2 1f"],
    ["a table change behind a field", "82 20"],
    ["padding of a Huffman string that is not all ones", "40 01 61 81 18"],
    ["padding of a Huffman string of a whole byte", "40 01 61 82 1f ff"],
    ["the end of the string in a Huffman string", "40 01 61 84 ff ff ff ff"],
  ] as const) {
    test(`is refused with ${what}`, () => {
      assert.throws(
        () => decode(new HpackDecoder(4096), hex),
        (error) => error instanceof ConnectionError && error.code === ErrorCode.compressionError,
      );
    });
  }

  test("any bytes are fields or an error", () => {
    const decoder = new HpackDecoder(4096);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decoder.decode(bytes, 0, bytes.length, MAX);
        } catch (error) {
          assert.ok(error instanceof ConnectionError);
        }
      }),
    );
  });

  test("entries come and go without end, and indexes stay right", () => {
    const decoder = new HpackDecoder(4096);
    for (let i = 0; i < 2000; i++) {
      const name = `n${i}`;
      const literal = Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), Buffer.from([1, 0x76])]);
      const block = i === 0 ? literal : Buffer.concat([literal, Buffer.from([0xbf])]);
      const expected: Field[] = [[name, "v"]];
      if (i > 0) expected.push([`n${i - 1}`, "v"]);
      assert.deepEqual(decoder.decode(block, 0, block.length, MAX), expected);
    }
  });
});

suite("writing header blocks", () => {
  const text = fc.string({ unit: "binary-ascii", maxLength: 300 });
  test("what is written is read back", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text, fc.boolean()), { maxLength: 20 }), fc.boolean(), (list, emptiesTable) => {
        const fields = list.map(([name, value, isSensitive]): Field => (isSensitive ? [name, value, true] : [name, value]));
        const block = encode(fields, emptiesTable);
        assert.deepEqual(new HpackDecoder(4096).decode(block, 0, block.length, MAX), fields);
      }),
    );
  });

  test("fields that are known from the start take one byte", () => {
    assert.equal(
      encode([
        [":method", "GET"],
        [":path", "/"],
        [":status", "404"],
      ]).toString("hex"),
      "82848d",
    );
  });
});

/** What a client of `node:http2` sends, read by the decoder. */
async function headersSentByNode(headers: Record<string, string>): Promise<Field[]> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = connect(`http://127.0.0.1:${port}`);
  client.on("error", () => undefined);
  client.request({ ":path": "/", ...headers }).on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  let bytes = Buffer.alloc(0);
  const blocks: Buffer[] = [];
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    let hasEnd = false;
    blocks.length = 0;
    for (let at = 24; at + 9 <= bytes.length;) {
      const length = bytes.readUIntBE(at, 3);
      const payload = bytes.subarray(at + 9, at + 9 + length);
      const type = bytes[at + 3];
      if (type === 1 || type === 9) blocks.push(payload);
      hasEnd ||= (type === 1 || type === 9) && (bytes[at + 4]! & 4) !== 0 && payload.length === length;
      at += 9 + length;
    }
    if (hasEnd) break;
  }
  client.destroy();
  server.close();
  const block = Buffer.concat(blocks);
  return new HpackDecoder(4096).decode(block, 0, block.length, MAX) ?? [];
}
