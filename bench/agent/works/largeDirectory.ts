// A directory of 100,000 entries is listed, and another session pings meanwhile.

import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../../statistics.ts";
import type { Work } from "../work.ts";

const ENTRIES = 100_000;
const PING_REST_MS = 2;

/** Makes a directory with so many empty files. */
export async function makeDirectory(path: string, entries: number): Promise<void> {
  await mkdir(path);
  for (let index = 0; index < entries; index++) await (await open(join(path, `entry-${index}`), "w")).close();
}

const listing = (batch: number): Work => ({
  name: `largeDirectory/${batch}`,
  about: `a directory of ${ENTRIES} entries in batches of ${batch}, and the pings of another session`,
  measure: async (on) => {
    const path = join(on.folder, "many");
    await makeDirectory(path, ENTRIES);
    const [session, watching] = await Promise.all([on.session(), on.session()]);
    const pingsMs: number[] = [];
    const over = new AbortController();
    const watch = async (): Promise<void> => {
      while (!over.signal.aborted) {
        pingsMs.push(await watching.ping());
        await sleep(PING_REST_MS);
      }
    };
    const pinging = watch();
    const began = performance.now();
    let count = 0;
    for await (const _ of session.files.requests.readDir(path, { batch })) count += 1;
    const tookMs = performance.now() - began;
    over.abort();
    await pinging;
    if (count !== ENTRIES) throw new Error(`${count} of ${ENTRIES} entries came`);
    return [
      { what: `listing ${ENTRIES} entries in batches of ${batch}`, unit: "ms", better: "lower", value: tookMs },
      { what: "longest ping of another session", unit: "ms", better: "lower", value: percentile(pingsMs, 1) },
    ];
  },
});

export const largeDirectory: readonly Work[] = [listing(128), listing(ENTRIES)];
