// File requests, one at a time, for what the kernel has in memory.

import type { Session } from "@understudy/client";
import { targetBigFile } from "@understudy/test";
import { costOfBytes, inLoops, measureLoad, throughput, usualFigures } from "../load.ts";
import type { Measurement, Work } from "../work.ts";

/** Read again and again, so that it stays in memory. */
const READ_BYTES = 64 * 1024 * 1024;

const reads = (kib: number): Work => ({
  name: `files/read-${kib}k`,
  about: `reads of ${kib} KiB, one at a time`,
  measure: async (on) => {
    const session = await on.session();
    const fd = await session.files.requests.open(targetBigFile);
    const size = kib * 1024;
    let at = 0;
    const read = async (): Promise<number> => {
      const { length } = await session.files.requests.readLimited(fd, size, at);
      at = (at + size) % READ_BYTES;
      return length;
    };
    const reading = await measureLoad(on, (meter, signal) => inLoops(meter, signal, 1, read));
    return [throughput(`file reads of ${kib} KiB`, reading), costOfBytes(reading)];
  },
});

const requests = (name: string, what: string, ask: (session: Session) => Promise<unknown>): Work => ({
  name: `files/${name}`,
  about: `${what}, one at a time`,
  measure: async (on: Measurement) => {
    const session = await on.session();
    const once = async (): Promise<void> => void (await ask(session));
    return usualFigures(what, await measureLoad(on, (meter, signal) => inLoops(meter, signal, 1, once)));
  },
});

export const files: readonly Work[] = [
  reads(64),
  reads(256),
  reads(1024),
  requests("stat", "stat", (session) => session.files.requests.stat(targetBigFile)),
  requests("openClose", "open and close", async ({ files: { requests } }) => await requests.close(await requests.open(targetBigFile))),
];
