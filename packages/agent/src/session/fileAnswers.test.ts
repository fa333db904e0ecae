// Answers to reads of real files over real sockets: their memory is used again, also for other sessions, so no byte may be wrong.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { AnswerBuffer } from "../files/answerBuffer.ts";
import { createFiles, type Files } from "../files/files.ts";
import { InstantReads } from "../files/instantReads.ts";
import { TemporaryTarget } from "../files/temporaryTargetFixture.ts";
import { ThreadPool } from "../task/threadPool.ts";
import { AgentUnderTest, type Client, RecordedLog } from "./sessionFixture.ts";

const fileBytes = 24 * 2 ** 20;
const readBytes = 2 ** 20;
const shortestBytes = 64 * 1024;

/** Asks for a whole file at once, without waiting for answers. */
function askForAll(client: Client, name: string): void {
  const openOptions = { read: true, write: false, append: false, truncate: false, create: false, createNew: false };
  client.send({ kind: "fileRequest", value: { kind: "open", value: { path: name, openOptions } } });
  for (let at = 0; at < fileBytes; at += readBytes) {
    const value = { remoteFd: 0, bufferSize: readBytes, startFrom: at };
    client.send({ kind: "fileRequest", value: { kind: "readLimited", value } });
  }
}

/** Answers may be shorter than asked for, while several sessions read much; what they hold must be the file's. */
async function takeAnswers(client: Client, content: Buffer): Promise<void> {
  const opened = await client.next("file");
  assert.ok(opened.value.kind === "open" && opened.value.value.kind === "ok");
  for (let at = 0; at < fileBytes; at += readBytes) {
    const { value } = await client.next("file");
    assert.ok(value.kind === "readLimited" && value.value.kind === "ok");
    const { bytes } = value.value.value;
    assert.ok(bytes.length >= shortestBytes);
    assert.ok(content.subarray(at, at + bytes.length).equals(bytes));
  }
}

test("sessions that read files get their own bytes, also those that take them late, and whoever leaves in between", async () => {
  using target = new TemporaryTarget();
  const contents = Array.from({ length: 3 }, () => randomBytes(fileBytes));
  contents.forEach((content, index) => fs.writeFileSync(target.at(`file${index}`), content));
  const instantReads = new InstantReads();
  await using owned = new AsyncDisposableStack();
  const filesOf = new Map<AnswerBuffer, Files>();
  const newFiles = (): Files => {
    const limits = { maxOpenFiles: 8 };
    const { rootFd, openFds } = target;
    const options = {
      rootFd,
      log: new RecordedLog(),
      openFds,
      limits,
      instantReads,
      threads: new ThreadPool(),
      fullTimes: true,
      signal: new AbortController().signal,
    };
    return owned.use(createFiles(options));
  };
  await using agent = await AgentUnderTest.start({
    handleFile: (request, buffer) => {
      const files = filesOf.get(buffer) ?? newFiles();
      filesOf.set(buffer, files);
      return files.handle(request, buffer);
    },
  });
  using quick = await agent.client();
  using slow = await agent.client();
  using leaving = await agent.client();
  const clients = [quick, slow, leaving];
  clients.forEach((client, index) => askForAll(client, `/file${index}`));
  // What the agent has for this one stays with the agent for a while.
  slow.socket.pause();
  leaving.socket.pause();
  await takeAnswers(quick, contents[0]!);
  leaving.socket.destroy();
  using late = await agent.client();
  askForAll(late, "/file2");
  const lateAnswers = takeAnswers(late, contents[2]!);
  await sleep(20);
  slow.socket.resume();
  await takeAnswers(slow, contents[1]!);
  await lateAnswers;
});
