// The target's files as programs use them: several requests under way, in order; short answers; waits that are given up.

import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";
import type { FileRequest, FileResponse, ResponseError } from "@understudy/protocol";
import { SessionClosedError, UnsupportedByAgentError } from "../errors.ts";
import { FakeAgent, type FakePeer } from "../testing/fakeAgent.ts";
import { FileError } from "./fileError.ts";

const answer = (peer: FakePeer, value: FileResponse): void => peer.send({ kind: "file", value });
const failed = (errno: number): ResponseError => ({ kind: "remoteIO", value: { rawOsError: errno, kind: { kind: "other" } } });
const ok = <T>(value: T) => ({ kind: "ok", value }) as const;
const err = (errno: number) => ({ kind: "err", value: failed(errno) }) as const;

/** Serves one file from memory, at most `readMaxBytes` a read, until it is closed. */
async function serveFile(peer: FakePeer, contents: Buffer, { readMaxBytes = Infinity, hasPositions = true } = {}): Promise<FileRequest[]> {
  const requests: FileRequest[] = [];
  let position = 0;
  const part = (from: number, wanted: number) => {
    const bytes = contents.subarray(from, from + Math.min(wanted, readMaxBytes));
    return ok({ bytes, readAmount: bytes.length });
  };
  for (;;) {
    const { value: request } = await peer.expect("fileRequest");
    requests.push(request);
    switch (request.kind) {
      case "open":
        answer(peer, { kind: "open", value: ok({ fd: 3 }) });
        break;
      case "readLimited": {
        const { startFrom, bufferSize } = request.value;
        answer(peer, { kind: "readLimited", value: hasPositions ? part(Number(startFrom), Number(bufferSize)) : err(29) });
        break;
      }
      case "read": {
        const read = part(position, Number(request.value.bufferSize));
        position += read.value.bytes.length;
        answer(peer, { kind: "read", value: read });
        break;
      }
      case "writeLimited": {
        const writtenAmount = Math.min(request.value.writeBytes.length, readMaxBytes);
        request.value.writeBytes.subarray(0, writtenAmount).forEach((byte, i) => (contents[Number(request.value.startFrom) + i] = byte));
        answer(peer, { kind: "writeLimited", value: ok({ writtenAmount }) });
        break;
      }
      case "close":
        return requests;
      default:
        throw new Error(`unexpected ${request.kind}`);
    }
  }
}

const numbered = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => i % 251));

suite("the target's files", () => {
  test("a file is read whole whatever the agent gives at once, with several reads ahead, and closed", async () => {
    for (const readMaxBytes of [Infinity, 1, 7, 10]) {
      await using agent = await FakeAgent.start();
      const { session, peer } = await agent.open();
      await using _ = session;
      const contents = numbered(95);
      const served = serveFile(peer, contents, { readMaxBytes });
      const pieces = session.files.pieces("/f", { highWaterMark: 10 });
      const read: Uint8Array[] = [];
      for await (const piece of pieces) read.push(piece);
      assert.deepEqual(Buffer.concat(read), contents);
      const requests = await served;
      assert.equal(requests.at(-1)?.kind, "close");
      if (readMaxBytes === 10)
        assert.deepEqual(
          requests.slice(1, 5).map((one) => one.kind === "readLimited" && one.value.startFrom),
          [0, 10, 20, 30],
        );
    }
  });

  test("reads are under way together: the next are asked for before the first is answered", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const pieces = session.files.pieces("/f", { highWaterMark: 2 });
    const first = pieces.next();
    const bytes = (text: string) => ({ kind: "readLimited", value: ok({ bytes: Buffer.from(text), readAmount: text.length }) }) as const;
    await peer.expect("fileRequest");
    answer(peer, { kind: "open", value: ok({ fd: 3 }) });
    await peer.expect("fileRequest");
    answer(peer, bytes("ab"));
    assert.deepEqual((await first).value, new Uint8Array(Buffer.from("ab")));
    const second = pieces.next();
    for (const startFrom of [2, 4]) {
      const { value } = await peer.expect("fileRequest");
      assert.deepEqual(value, { kind: "readLimited", value: { remoteFd: 3, bufferSize: 2, startFrom } });
    }
    answer(peer, bytes("cd"));
    assert.deepEqual((await second).value, new Uint8Array(Buffer.from("cd")));
    // Whoever stops early leaves answers that still come.
    answer(peer, bytes("ef"));
    await pieces.return();
    const pinged = session.ping();
    while ((await peer.next()).kind !== "ping");
    peer.send({ kind: "pong" });
    await pinged;
  });

  test("start and end are the first and the last byte; what has no positions is read in turn", async () => {
    for (const hasPositions of [true, false]) {
      await using agent = await FakeAgent.start();
      const { session, peer } = await agent.open();
      await using _ = session;
      const contents = numbered(50);
      const served = serveFile(peer, contents, { hasPositions });
      const start = hasPositions ? 5 : 0;
      const read = await buffer(session.files.createReadStream("/f", { start, end: 24, highWaterMark: 8 }));
      assert.deepEqual(read, contents.subarray(start, 25));
      await served;
    }
  });

  test("writeFile writes everything, also when the agent takes less at once", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const written = Buffer.alloc(600_000);
    const served = serveFile(peer, written, { readMaxBytes: 100_000 });
    const data = numbered(600_000);
    await session.files.writeFile("/f", data);
    assert.deepEqual(written, data);
    const [open] = await served;
    assert.deepEqual(open?.kind === "open" && open.value.openOptions, {
      read: false,
      write: true,
      append: false,
      truncate: true,
      create: true,
      createNew: false,
    });
  });

  test("errors have the code, the call and the path", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const { files } = session;
    const fails = async (call: Promise<unknown>, response: FileResponse, expected: object): Promise<void> => {
      await peer.expect("fileRequest");
      answer(peer, response);
      await assert.rejects(call, (error) => {
        assert.ok(error instanceof FileError);
        const { code, errno, syscall, path, dest } = error;
        assert.deepEqual({ code, errno, syscall, path, dest }, { dest: undefined, ...expected });
        return true;
      });
    };
    const missing = { code: "ENOENT", errno: 2, path: "/m" };
    await fails(files.readFile("/m"), { kind: "open", value: err(2) }, { ...missing, syscall: "open" });
    await fails(files.lstat("/m"), { kind: "xstat", value: err(2) }, { ...missing, syscall: "lstat" });
    await fails(files.readdir("/m"), { kind: "open", value: err(2) }, { ...missing, syscall: "open" });
    await fails(files.rename("/m", "/n"), { kind: "rename", value: err(2) }, { ...missing, syscall: "rename", dest: "/n" });
    await fails(files.rm("/m"), { kind: "xstat", value: err(13) }, { code: "EACCES", errno: 13, path: "/m", syscall: "lstat" });
  });

  test("a wait that was given up rejects at once; its answer is taken in turn, and what it opened is closed", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const stop = new AbortController();
    const opening = session.files.open("/slow", "r", { signal: stop.signal });
    const stat = session.files.access("/x");
    await peer.expect("fileRequest");
    await peer.expect("fileRequest");
    stop.abort(new Error("not wanted"));
    await assert.rejects(opening, /not wanted/);
    answer(peer, { kind: "open", value: ok({ fd: 9 }) });
    answer(peer, { kind: "access", value: ok({}) });
    await stat;
    assert.deepEqual((await peer.expect("fileRequest")).value, { kind: "close", value: { fd: 9 } });
    await assert.rejects(session.files.open("/slow", "r", { signal: stop.signal }), /not wanted/);
  });

  test("a handle closes once, and not with an error when the session is over", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    const opening = session.files.open("/f", "a");
    await peer.expect("fileRequest");
    answer(peer, { kind: "open", value: ok({ fd: 3 }) });
    const file = await opening;
    await assert.rejects(file.read(new Uint8Array(2), { offset: 1, length: 2 }), RangeError);
    peer.socket.destroy();
    await session.closed;
    await file.close();
    await file.close();
    await assert.rejects(file.stat(), SessionClosedError);
  });

  test("an old agent is not asked for what it does not know", async () => {
    await using agent = await FakeAgent.start();
    const { session } = await agent.open({}, "1.12.0");
    await using _ = session;
    const { files } = session;
    for (const call of [files.mkdir("/d"), files.unlink("/f"), files.rename("/a", "/b"), files.statfs("/")]) {
      await assert.rejects(call, UnsupportedByAgentError);
    }
  });
});
