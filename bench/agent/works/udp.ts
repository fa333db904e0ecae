// Datagrams of 64 bytes there and back. One that is lost is sent again after a while, and counts as slow.

import { setTimeout as sleep } from "node:timers/promises";
import { targetPorts } from "@understudy/test";
import { inLoops, measureLoad, usualFigures } from "../load.ts";
import type { Work } from "../work.ts";

const DATAGRAM = Buffer.alloc(64, "u");
const LOST_AFTER_MS = 200;

const udpRoundTrips = (sockets: number): Work => ({
  name: `udp/${sockets}`,
  about: `datagrams there and back on ${sockets} sockets of one session`,
  measure: async (on) => {
    const session = await on.session();
    const address = { ip: "127.0.0.1", port: targetPorts.echo };
    const made = await Promise.all(Array.from({ length: sockets }, () => session.connectUdp(address)));
    const received = made.map((socket) => socket[Symbol.asyncIterator]());
    const roundTrip = async (index: number): Promise<void> => {
      const answer = received[index]!.next();
      for (let isThere = false; !isThere;) {
        await made[index]!.send(DATAGRAM);
        const lost = new AbortController();
        const timeout = sleep(LOST_AFTER_MS, false, { signal: lost.signal }).catch(() => false);
        isThere = await Promise.race([answer.then(() => true), timeout]);
        lost.abort();
      }
    };
    const reading = await measureLoad(on, (meter, signal) => inLoops(meter, signal, sockets, roundTrip));
    for (const socket of made) socket.destroy();
    return usualFigures(`UDP round trips, ${sockets} socket${sockets === 1 ? "" : "s"}`, reading);
  },
});

export const udp: readonly Work[] = [udpRoundTrips(1), udpRoundTrips(32)];
