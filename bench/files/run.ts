// Memory of reading much at once, and what a large directory does to other sessions. What the figures say is in README.md.

import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Session } from "@understudy/client";
import { AgentUnderMeasure, PingWatch } from "./agentUnderMeasure.ts";

const MiB = 2 ** 20;
const fileBytes = 1024 * MiB;
const pieceBytes = MiB;
const piecesAhead = 16;
const sessionCount = 50;
const entryCount = 100_000;

const folder = mkdtempSync(path.join(process.env["BENCH_FOLDER"] ?? tmpdir(), "understudy-bench-"));

function show(what: string, figures: string): void {
  console.log(`${what.padEnd(52)} ${figures}`);
}

/** A file of holes: it takes no room, and reading it costs the agent what any cached file does. */
function makeSparseFile(): string {
  const name = path.join(folder, "sparse");
  const fd = openSync(name, "w");
  ftruncateSync(fd, fileBytes);
  closeSync(fd);
  return name;
}

/** Reads `bytes` from the file's position, several requests ahead of their answers. Short reads are fine. */
async function readAhead(session: Session, name: string, bytes: number): Promise<number> {
  const fd = await session.files.open(name);
  let got = 0;
  let hasEnded = false;
  const reader = async (): Promise<void> => {
    while (got < bytes && !hasEnded) {
      const { length } = await session.files.read(fd, pieceBytes);
      got += length;
      hasEnded ||= length === 0;
    }
  };
  await Promise.all(Array.from({ length: piecesAhead }, reader));
  await session.files.close(fd);
  return got;
}

async function measureOneReader(name: string): Promise<void> {
  await using agent = await AgentUnderMeasure.start();
  const session = await agent.session();
  await session.ping();
  const before = agent.residentMib;
  agent.forgetPeak();
  const began = performance.now();
  const got = await readAhead(session, name, fileBytes);
  const seconds = (performance.now() - began) / 1000;
  const figures = `${got / MiB} MiB, ${(got / MiB / seconds).toFixed(0)} MiB/s`;
  show("1 session reads 1 GiB in pieces of 1 MiB", `${figures}, resident ${before.toFixed(0)} -> peak ${agent.peakMib.toFixed(0)} MiB`);
  await session[Symbol.asyncDispose]();
}

async function measureManyReaders(name: string): Promise<void> {
  await using agent = await AgentUnderMeasure.start();
  const sessions = await Promise.all(Array.from({ length: sessionCount }, () => agent.session()));
  const before = agent.residentMib;
  agent.forgetPeak();
  const began = performance.now();
  const got = await Promise.all(sessions.map((session) => readAhead(session, name, 48 * MiB)));
  const total = got.reduce((sum, bytes) => sum + bytes, 0) / MiB;
  const rate = total / ((performance.now() - began) / 1000);
  show(
    `${sessionCount} sessions read pieces of 1 MiB`,
    `${rate.toFixed(0)} MiB/s, resident ${before.toFixed(0)} -> peak ${agent.peakMib.toFixed(0)} MiB`,
  );
  await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()));
}

function makeLargeDirectory(): string {
  const directory = path.join(folder, "many");
  mkdirSync(directory);
  for (let index = 0; index < entryCount; index += 1) closeSync(openSync(path.join(directory, `entry-${index}`), "w"));
  return directory;
}

async function measureDirectory(directory: string): Promise<void> {
  await using agent = await AgentUnderMeasure.start();
  const session = await agent.session();
  for (const batch of [128, 100_000]) {
    await using watch = await PingWatch.start(agent);
    const before = agent.residentMib;
    agent.forgetPeak();
    const began = performance.now();
    let count = 0;
    for await (const _ of session.files.readDir(directory, { batch })) count += 1;
    const took = performance.now() - began;
    const figures = `${count} entries, ${took.toFixed(0)} ms, resident ${before.toFixed(0)} -> peak ${agent.peakMib.toFixed(0)} MiB`;
    show(`directory in batches of ${batch}`, `${figures}, ${await watch.percentiles()}`);
  }
  await session[Symbol.asyncDispose]();
}

async function measureIdle(): Promise<void> {
  await using agent = await AgentUnderMeasure.start();
  await using watch = await PingWatch.start(agent);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  show("nothing going on", await watch.percentiles());
}

try {
  await measureIdle();
  const sparse = makeSparseFile();
  await measureOneReader(sparse);
  await measureManyReaders(sparse);
  await measureDirectory(makeLargeDirectory());
} finally {
  rmSync(folder, { recursive: true });
}
