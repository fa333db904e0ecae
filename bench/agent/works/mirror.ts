// What the target's peers notice of a client that gets copies, and how much of them it gets.

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { openSession } from "@understudy/client";
import { podIpv4 } from "@understudy/test";
import { aborted, measureLoad, throughput } from "../load.ts";
import { benchPorts } from "../ports.ts";
import type { Work } from "../work.ts";
import { wrkFigures, wrkLoad } from "../wrk.ts";

const CONNECTIONS = 32;
const PIECE = Buffer.alloc(64 * 1024, 0x01);
/** Copies that are on their way come within this time. */
const LATE_COPIES_MS = 1000;

const http: Work = {
  name: "mirror/http",
  about: `HTTP/1 requests on ${CONNECTIONS} connections, with a client that gets copies`,
  needs: ["wrk"],
  measure: async (on) => {
    const session = await on.session();
    let copies = 0;
    await session.mirror(benchPorts.http, { onRequest: () => void (copies += 1) });
    const result = await wrkLoad(on, { connections: CONNECTIONS });
    if (copies === 0) throw new Error("no copy came");
    return wrkFigures("mirrored HTTP, requests of the target's peers", result);
  },
};

const deaf: Work = {
  name: "mirror/deaf",
  about: "the same with a client that never reads",
  needs: ["wrk"],
  measure: async (on) => {
    const socket = connect({ ...on.agent.address, noDelay: true });
    await once(socket, "connect");
    const session = await openSession(socket);
    await session.mirror(benchPorts.http, {});
    socket.pause();
    const result = await wrkLoad(on, { connections: CONNECTIONS });
    socket.destroy();
    return wrkFigures("mirrored HTTP with a client that never reads", result);
  },
};

const bulk: Work = {
  name: "mirror/bulk",
  about: "a bulk upload of one peer, with a client that gets a copy",
  measure: async (on) => {
    const session = await on.session();
    let copied = 0;
    await session.mirror(benchPorts.sink, {
      onConnection: ({ stream }) => void stream.on("data", (chunk: Uint8Array) => (copied += chunk.length)),
    });
    const peer = connect({ host: podIpv4, port: benchPorts.sink });
    await once(peer, "connect");
    let sent = 0;
    const reading = await measureLoad(on, async (meter, signal) => {
      while (!signal.aborted) {
        sent += PIECE.length;
        const hasRoom = peer.write(PIECE, (error) => error ?? meter.done(PIECE.length));
        if (!hasRoom) await Promise.race([once(peer, "drain"), aborted(signal)]);
      }
    });
    await sleep(LATE_COPIES_MS);
    const share = copied / (sent - peer.writableLength);
    peer.destroy();
    return [
      throughput("mirrored bulk upload", reading),
      { what: "share of it that the client gets", unit: "part", better: "higher", value: share },
    ];
  },
};

export const mirror: readonly Work[] = [http, deaf, bulk];
