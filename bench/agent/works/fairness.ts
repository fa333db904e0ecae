// Sessions side by side: each goes through a round of small works, over and over, and one more only pings.

import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "@understudy/client";
import { targetBigFile, targetHost, targetPorts } from "@understudy/test";
import { percentile } from "../../statistics.ts";
import { EchoStream } from "../echoStream.ts";
import { cost, inLoops, measureLoad, rate } from "../load.ts";
import type { Work } from "../work.ts";

const PING_REST_MS = 2;

async function makeRound(session: Session): Promise<() => Promise<void>> {
  const fd = await session.files.requests.open(targetBigFile);
  const echo = new EchoStream(await session.connectTcp({ ip: "127.0.0.1", port: targetPorts.echo }), 64);
  return async () => {
    await session.files.requests.stat(targetBigFile);
    await session.files.requests.readLimited(fd, 16 * 1024, 0);
    await session.lookup(targetHost.name, "ipv4Only");
    await echo.roundTrip();
  };
}

const fairness = (sessions: number): Work => ({
  name: `fairness/${sessions}`,
  about: `a mix of small works in ${sessions} sessions, and the pings of one more`,
  measure: async (on) => {
    const rounds = await Promise.all(Array.from({ length: sessions }, async () => await makeRound(await on.session())));
    const watching = await on.session();
    let pingsMs: number[] = [];
    const reading = await measureLoad(on, async (meter, signal) => {
      const watch = async (): Promise<void> => {
        while (!signal.aborted) {
          // What came in the warm-up does not count.
          if (meter.operations === 0) pingsMs = [];
          pingsMs.push(await watching.ping());
          await sleep(PING_REST_MS);
        }
      };
      await Promise.all([inLoops(meter, signal, sessions, (index) => rounds[index]!()), watch()]);
    });
    const what = `a mix, ${sessions} session${sessions === 1 ? "" : "s"}, rounds`;
    const ping = { what: "ping p99 of another session", unit: "µs", better: "lower", value: percentile(pingsMs, 0.99) * 1000 } as const;
    return [rate(what, reading), ping, cost("processor time of one", reading)];
  },
});

export const fairnessWorks: readonly Work[] = [fairness(1), fairness(10), fairness(50)];
