// A name server's sockets, with names that a test gives.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { decode, encode, type Packet, streamDecode, streamEncode } from "dns-packet";
import type { Names } from "./answerQuery.ts";
import { startDnsServer } from "./dnsServer.ts";

const at = { host: "127.0.0.1", port: 0 };
const known: Names = { addresses: () => Promise.resolve(["10.0.0.1"]), nameOf: () => Promise.resolve("db") };
const query = (id: number): Packet => ({ type: "query", id, questions: [{ name: "db", type: "A", class: "IN" }] });
const codeOf = (bytes: Buffer): unknown => (decode(bytes) as { rcode?: string }).rcode;

suite("a name server", () => {
  test("answers several queries of one TCP connection in order, whatever the pieces they come in", async () => {
    await using server = await startDnsServer(at, { names: known, onAnswered: () => undefined });
    const socket = connect({ port: server.address.port, host: "127.0.0.1", noDelay: true });
    const bytes = Buffer.concat([streamEncode(query(1)), streamEncode(query(2))]);
    for (const byte of bytes.subarray(0, 3)) {
      socket.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    socket.end(bytes.subarray(3));
    const chunks: Buffer[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
    const all = Buffer.concat(chunks);
    const first = all.subarray(0, 2 + all.readUInt16BE());
    assert.deepEqual([streamDecode(first).id, streamDecode(all.subarray(first.length)).id], [1, 2]);
  });

  test("a TCP connection with what no query can be is ended", async () => {
    await using server = await startDnsServer(at, { names: known, onAnswered: () => undefined });
    const socket = connect({ port: server.address.port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    socket.write(Buffer.of(0xff, 0xff, 1, 2, 3));
    await once(socket, "close");
  });

  test("queries beyond the limit are refused at once, and those before them are answered", async () => {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    const slow: Names = { ...known, addresses: () => promise };
    await using server = await startDnsServer(at, { names: slow, onAnswered: () => undefined, inFlightMax: 2 });
    const socket = createSocket("udp4");
    const answers: (readonly [number | undefined, unknown])[] = [];
    const all = new Promise<void>((done) => {
      socket.on("message", (bytes) => {
        answers.push([decode(bytes).id, codeOf(bytes)]);
        if (answers.length === 1) resolve(["10.0.0.1"]);
        if (answers.length === 3) done();
      });
    });
    for (const id of [1, 2, 3]) socket.send(encode(query(id)), server.address.port, "127.0.0.1");
    await all;
    assert.deepEqual(answers, [
      [3, "SERVFAIL"],
      [1, "NOERROR"],
      [2, "NOERROR"],
    ]);
    socket.close();
  });

  test("what is no query gets no answer, and the next one does", async () => {
    await using server = await startDnsServer(at, { names: known, onAnswered: () => undefined });
    const socket = createSocket("udp4");
    for (const bytes of [Buffer.alloc(0), Buffer.of(1), encode({ ...query(7), type: "response" })]) {
      socket.send(bytes, server.address.port, "127.0.0.1");
    }
    socket.send(encode(query(8)), server.address.port, "127.0.0.1");
    const [answer] = (await once(socket, "message")) as [Buffer];
    assert.equal(decode(answer).id, 8);
    socket.close();
  });
});
