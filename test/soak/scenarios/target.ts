// What sessions ask of the target: files, directories, names, environment, and connections to its services. Half of the turns leave the closing to the session's end.

import { join } from "node:path";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { targetBigFile, targetFile, targetHost, targetVariable } from "../../pod/pod.ts";
import { nameServer, targetPorts } from "../../pod/ports.ts";
import { expect, inSession, type Scenario, within } from "../scenario.ts";

const READ_BYTES = 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, "u");

const files: Scenario = {
  name: "files",
  loops: 2,
  restMs: 20,
  turn: (world, number) =>
    inSession(world, async ({ files: { requests: files } }) => {
      const fd = await files.open(targetBigFile);
      for (let i = 0; i < 8; i++) expect((await files.read(fd, READ_BYTES)).length > 0, "a read was empty");
      const small = await files.open(targetFile.path);
      expect(Buffer.from(await files.read(small, 1000)).toString() === targetFile.text, "a file held something else");
      const path = join(world.folder, `file-${number}`);
      const written = await files.open(path, { write: true, create: true });
      await files.write(written, PIECE);
      for await (const _ of files.readDir(world.folder)) {
        // Everything of it is read.
      }
      await files.unlink(path);
      await files.stat("/no/such/file").catch(() => undefined);
      if (number % 2 === 0) await Promise.all([fd, small, written].map((each) => files.close(each)));
    }),
};

const names: Scenario = {
  name: "names and environment",
  loops: 2,
  restMs: 20,
  turn: (world, number) =>
    inSession(world, async (session) => {
      const found = await Promise.all([session.lookup(targetHost.name), session.lookup(`name-${number}.example.test`)]);
      expect(found[0][0]?.ip === targetHost.address && found[1][0]?.ip === nameServer.answer, "a name has another address");
      await session.lookup(`missing.name-${number}.test`).catch(() => undefined);
      expect((await session.env()).get(targetVariable.name) === targetVariable.value, "a variable of the target is missing");
    }),
};

/** Sends a piece and resolves when all of it has come back. */
async function echoed(connection: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let missing = PIECE.length;
  connection.on("data", (chunk: Buffer) => {
    missing -= chunk.length;
    if (missing === 0) resolve();
  });
  connection.write(PIECE);
  await promise;
}

const outgoing: Scenario = {
  name: "outgoing connections",
  loops: 2,
  restMs: 20,
  turn: (world, number) =>
    inSession(world, async (session) => {
      const address = { ip: "127.0.0.1", port: targetPorts.echo };
      const [tcp, udp] = await Promise.all([session.connectTcp(address), session.connectUdp(address)]);
      // Before the bulk: a session that is full of it drops datagrams, as a kernel does.
      await udp.send(Buffer.from("u"));
      await within("the echo of a datagram", udp[Symbol.asyncIterator]().next());
      await within("the echo of a piece", echoed(tcp));
      const source = await session.connectTcp({ ip: "127.0.0.1", port: targetPorts.source });
      await within("data of the source", once(source, "data"));
      await session.connectTcp({ ip: "127.0.0.1", port: 1 }).catch(() => undefined);
      if (number % 2 === 0) for (const connection of [tcp, udp, source]) connection.destroy();
    }),
};

export const target: readonly Scenario[] = [files, names, outgoing];
