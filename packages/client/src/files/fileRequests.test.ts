// Requests for files: one order of answers, errors by name, and descriptors that are given back.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { DirEntryInternal, FileRequest, FileResponse, ResponseError } from "@understudy/protocol";
import { AgentError } from "../errors.ts";
import { FakeAgent, type FakePeer } from "../testing/fakeAgent.ts";
import type { RemoteFd } from "./fileRequests.ts";

const fileRequest = async (peer: FakePeer): Promise<FileRequest> => (await peer.expect("fileRequest")).value;
const answer = (peer: FakePeer, ...responses: FileResponse[]): void => {
  peer.send(...responses.map((value) => ({ kind: "file", value }) as const));
};
const notFound: ResponseError = { kind: "remoteIO", value: { rawOsError: 2, kind: { kind: "notFound" } } };
const entry = (name: string): DirEntryInternal => ({ inode: 1, position: 0, name, fileType: 8 });

suite("files", () => {
  test("requests are answered in their order, errors with the name of the errno", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const opened = session.files.requests.open("/etc/hosts", { read: true, append: true });
    const failed = session.files.requests.open("/missing");
    const link = session.files.requests.readLink("/l");
    assert.deepEqual(await fileRequest(peer), {
      kind: "open",
      value: {
        path: "/etc/hosts",
        openOptions: { read: true, write: false, append: true, truncate: false, create: false, createNew: false },
      },
    });
    answer(
      peer,
      { kind: "open", value: { kind: "ok", value: { fd: 3 } } },
      { kind: "open", value: { kind: "err", value: notFound } },
      { kind: "readLink", value: { kind: "ok", value: { path: "/t" } } },
    );
    assert.equal(await opened, 3);
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof AgentError);
      assert.deepEqual([error.message, error.errno, error.code], ["open /missing: ENOENT (not found)", 2, "ENOENT"]);
      assert.deepEqual(error.response, notFound);
      return true;
    });
    assert.equal(await link, "/t");
  });

  test("an answer of another kind ends the session", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    const read = session.files.requests.read(3 as RemoteFd, 10);
    await fileRequest(peer);
    answer(peer, { kind: "open", value: { kind: "ok", value: { fd: 3 } } });
    await assert.rejects(read, /answered read with open/);
    assert.equal((await session.closed).end, "malformed");
  });

  test("every request has its own form", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const files = session.files.requests;
    const fd = 3 as RemoteFd;
    const done = { kind: "ok", value: null } as const;
    const exchange = async (response: FileResponse): Promise<FileRequest> => {
      const request = await fileRequest(peer);
      answer(peer, response);
      return request;
    };
    const pairs = await Promise.all([
      files.readLimited(fd, 5, 7),
      exchange({ kind: "readLimited", value: { kind: "ok", value: { bytes: Buffer.from("hello"), readAmount: 5 } } }),
    ]);
    assert.deepEqual([Buffer.from(pairs[0]).toString(), pairs[1].value], ["hello", { remoteFd: 3, bufferSize: 5, startFrom: 7 }]);
    const written = await Promise.all([
      files.write(fd, Buffer.from("ab")),
      exchange({ kind: "write", value: { kind: "ok", value: { writtenAmount: 2 } } }),
    ]);
    assert.equal(written[0], 2);
    const at = await Promise.all([
      files.writeLimited(fd, Buffer.from("ab"), 9),
      exchange({ kind: "writeLimited", value: { kind: "ok", value: { writtenAmount: 1 } } }),
    ]);
    assert.equal(at[0], 1);
    const sought = await Promise.all([
      files.seek(fd, { kind: "end", value: -1 }),
      exchange({ kind: "seek", value: { kind: "ok", value: { resultOffset: 41 } } }),
    ]);
    assert.equal(sought[0], 41);
    const [, access] = await Promise.all([files.access("/x", 5), exchange({ kind: "access", value: { kind: "ok", value: {} } })]);
    assert.deepEqual(access.value, { pathname: "/x", mode: 5 });
    const metadata = {
      deviceId: 1,
      inode: 2,
      mode: 0o100644,
      hardLinks: 1,
      userId: 0,
      groupId: 0,
      rdeviceId: 0,
      size: 7,
      accessTime: 0,
      modificationTime: 0,
      creationTime: 0,
      blockSize: 4096,
      blocks: 8,
    };
    const [stat, xstat] = await Promise.all([
      files.stat("/x", { followSymlink: false }),
      exchange({ kind: "xstat", value: { kind: "ok", value: { metadata } } }),
    ]);
    assert.deepEqual([stat, xstat.value], [metadata, { path: "/x", fd: null, followSymlink: false }]);
    await Promise.all([files.makeDir("/d", 0o700), exchange({ kind: "makeDir", value: done })]);
    await Promise.all([files.rename("/a", "/b"), exchange({ kind: "rename", value: done })]);
    await Promise.all([files.unlink("/b"), exchange({ kind: "unlink", value: done })]);
    await Promise.all([files.removeDir("/d"), exchange({ kind: "removeDir", value: done })]);
    const [relative, openRelative] = await Promise.all([
      files.openRelative(fd, "sub"),
      exchange({ kind: "open", value: { kind: "ok", value: { fd: 4 } } }),
    ]);
    assert.deepEqual([relative, openRelative.kind], [4, "openRelative"]);
  });

  test("readDir fetches batches and gives both descriptors back, also when the loop is left early", async () => {
    await using agent = await FakeAgent.start();
    const { session, peer } = await agent.open();
    await using _ = session;
    const served = (async () => {
      const kinds: string[] = [];
      for (;;) {
        const request = await fileRequest(peer);
        kinds.push(request.kind);
        if (request.kind === "open") answer(peer, { kind: "open", value: { kind: "ok", value: { fd: 3 } } });
        if (request.kind === "fdOpenDir") answer(peer, { kind: "openDir", value: { kind: "ok", value: { fd: 4 } } });
        if (request.kind === "readDirBatch") {
          assert.deepEqual(request.value, { remoteFd: 4, amount: 2 });
          answer(peer, { kind: "readDirBatch", value: { kind: "ok", value: { fd: 4, dirEntries: [entry("a"), entry("b")] } } });
        }
        if (request.kind === "closeDir") return kinds;
      }
    })();
    const names: string[] = [];
    for await (const { name } of session.files.requests.readDir("/d", { batch: 2 })) {
      names.push(name);
      if (names.length === 3) break;
    }
    assert.deepEqual(names, ["a", "b", "a"]);
    assert.deepEqual(await served, ["open", "fdOpenDir", "close", "readDirBatch", "readDirBatch", "closeDir"]);
  });
});
