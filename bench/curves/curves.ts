// The curves: what may grow, and by how much.

import { open, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Session } from "@understudy/client";
import { get, targetBigFile, targetPorts } from "@understudy/test";
import type { Curve } from "./curve.ts";

const AT_ONCE = 50;
/** Small sizes are done again until so many units were dealt with, or a point would be all noise. */
const UNITS_MIN = 2000;
const BYTES_MIN = 64 * 1024 * 1024;
const CONNECTIONS_OF_SESSION = 2500;

async function inGroups(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - done) }, (_, i) => work(done + i)));
  }
}

const connections: Curve = {
  name: "connections",
  unit: "outgoing connection, made and kept",
  points: [1, 10, 100, 1000, 4000, 10_000],
  work: async ({ session }, size) => {
    const sessions = await Promise.all(Array.from({ length: Math.ceil(size / CONNECTIONS_OF_SESSION) }, session));
    const address = { ip: "127.0.0.1", port: targetPorts.echo };
    const rounds = Math.max(1, Math.ceil(UNITS_MIN / size));
    for (let round = 0; round < rounds; round++) {
      const made: { destroy(): unknown }[] = [];
      await inGroups(size, async (index) => void made.push(await sessions[index % sessions.length]!.connectTcp(address)));
      // Those of the last round stay, and are what memory is measured with.
      if (round < rounds - 1) for (const connection of made) connection.destroy();
    }
    return rounds * size;
  },
};

const sessions: Curve = {
  name: "sessions",
  unit: "session, opened and asked for ten pings",
  points: [1, 10, 100, 300, 1000],
  work: async ({ agent, session }, size) => {
    const rounds = Math.max(1, Math.ceil(UNITS_MIN / 5 / size));
    for (let round = 0; round < rounds; round++) {
      const opened: Session[] = [];
      // Those of the last round stay, and are what memory is measured with.
      const open = round < rounds - 1 ? () => agent.connect() : session;
      await inGroups(size, async () => void opened.push(await open()));
      for (let ping = 0; ping < 10; ping++) await inGroups(size, (index) => opened[index]!.ping());
      if (round < rounds - 1) await inGroups(size, (index) => opened[index]![Symbol.asyncDispose]());
    }
    return rounds * size;
  },
};

const subscriptions: Curve = {
  name: "subscriptions",
  unit: "port, subscribed and given back",
  points: [1, 10, 100, 1000],
  work: async ({ session }, size) => {
    const one = await session();
    const rounds = Math.max(1, Math.ceil(200 / size));
    for (let round = 0; round < rounds; round++) {
      const made = await Promise.all(
        Array.from({ length: size }, (_, i) => one.steal(20_000 + i, { filter: { kind: "header", value: "^x-user: nobody$" } })),
      );
      if (round < rounds - 1) await Promise.all(made.map((subscription) => subscription.close()));
    }
    return rounds * size;
  },
};

const filters: Curve = {
  name: "filters",
  unit: "request past so many filters of one port",
  points: [1, 10, 50, 200],
  work: async ({ session }, size) => {
    await inGroups(size, async (index) => {
      await (await session()).steal(targetPorts.http, { filter: { kind: "header", value: `^x-user: nobody-${index}$` } });
    });
    const requests = 1000;
    await inGroups(requests, () => get("/", { headers: { "x-user": "somebody" } }));
    return requests;
  },
};

const messages: Curve = {
  name: "messageSize",
  unit: "KiB of a file, read in messages of so many bytes",
  points: [1, 64, 1024, 65_536, 1024 * 1024, 16 * 1024 * 1024],
  work: async ({ session }, size) => {
    const { requests } = (await session()).files;
    const fd = await requests.open(targetBigFile);
    // An answer may hold less than was asked for: what counts is what came.
    let bytes = 0;
    for (let reads = 0; reads < 3000 && bytes < BYTES_MIN; reads++) bytes += (await requests.readLimited(fd, size, 0)).length;
    return bytes / 1024;
  },
};

const directory: Curve = {
  name: "directory",
  unit: "entry of a directory, listed",
  points: [1, 10, 100, 1000, 10_000, 100_000],
  work: async ({ session, folder }, size) => {
    const path = join(folder, "entries");
    await mkdir(path);
    for (let i = 0; i < size; i++) await (await open(join(path, `entry-${i}`), "w")).close();
    const one = await session();
    const rounds = Math.max(1, Math.ceil(UNITS_MIN / size));
    for (let round = 0; round < Math.min(rounds, 500); round++) {
      for await (const _ of one.files.requests.readDir(path)) {
        // All of them.
      }
    }
    return Math.min(rounds, 500) * size;
  },
};

export const curves: readonly Curve[] = [connections, sessions, subscriptions, filters, messages, directory];
