// Memory of reading much at once: the agent's peak while sessions read a large file in pieces of 1 MiB, 16 requests ahead of their answers.

import type { Session } from "@understudy/client";
import { targetBigFile } from "@understudy/test";
import type { Figure, Work } from "../work.ts";

const MIB = 1024 * 1024;
const AHEAD = 16;

async function readAhead(session: Session, bytes: number): Promise<void> {
  const fd = await session.files.requests.open(targetBigFile);
  let left = bytes;
  const reader = async (): Promise<void> => {
    while (left > 0) {
      left -= MIB;
      const { length } = await session.files.requests.read(fd, MIB);
      if (length === 0) throw new Error("the file is shorter than it should be");
    }
  };
  await Promise.all(Array.from({ length: AHEAD }, reader));
  await session.files.requests.close(fd);
}

const largeFile = (sessions: number, mib: number): Work => ({
  name: `largeFiles/${sessions}`,
  about: `${sessions} sessions read ${mib} MiB each, in pieces of 1 MiB; does the same amount however long works last`,
  measure: async (on) => {
    const clients = await Promise.all(Array.from({ length: sessions }, on.session));
    const before = await on.tree.total("residentMiB");
    const began = performance.now();
    await Promise.all(clients.map((session) => readAhead(session, mib * MIB)));
    const seconds = (performance.now() - began) / 1000;
    const figures: readonly Figure[] = [
      {
        what: `peak memory above idle, ${sessions} readers of 1 MiB`,
        unit: "MiB",
        better: "lower",
        value: (await on.tree.total("peakMiB")) - before,
      },
      { what: "read", unit: "MB/s", better: "higher", value: (sessions * mib * MIB) / 1e6 / seconds },
    ];
    return figures;
  },
});

export const largeFiles: readonly Work[] = [largeFile(1, 1024), largeFile(50, 48)];
