// Bytes without end over TCP connections that the agent makes: down to the client, and up to the target.

import { once } from "node:events";
import type { TcpConnection } from "@understudy/client";
import { targetPorts } from "@understudy/test";
import { aborted, costOfBytes, type Meter, measureLoad, throughput } from "../load.ts";
import { benchPorts } from "../ports.ts";
import type { Work } from "../work.ts";

const PIECE = Buffer.alloc(64 * 1024, "understudy ");

async function receive(connection: TcpConnection, meter: Meter, signal: AbortSignal): Promise<void> {
  connection.on("data", (chunk: Uint8Array) => meter.done(chunk.length));
  await ending(connection, aborted(signal), signal);
}

async function send(connection: TcpConnection, meter: Meter, signal: AbortSignal): Promise<void> {
  const sending = async (): Promise<void> => {
    while (!signal.aborted) {
      const hasRoom = connection.write(PIECE, (error) => error ?? meter.done(PIECE.length));
      if (!hasRoom) await Promise.race([once(connection, "drain", { signal }), aborted(signal)]).catch(() => undefined);
    }
  };
  await ending(connection, sending(), signal);
}

/** Fails when the connection ends before it is told to. */
async function ending(connection: TcpConnection, work: Promise<void>, signal: AbortSignal): Promise<void> {
  const closed = once(connection, "close").then(() => {
    if (!signal.aborted) throw new Error("a bulk connection ended early");
  });
  await Promise.race([work, closed]);
  connection.destroy();
  await closed;
}

const bulk = (direction: "down" | "up", connections: number): Work => ({
  name: `bulk/${direction}-${connections}`,
  about: `bulk ${direction} on ${connections} connections of one session`,
  measure: async (on) => {
    const session = await on.session();
    const address = { ip: "127.0.0.1", port: direction === "down" ? targetPorts.source : benchPorts.sink };
    const work = direction === "down" ? receive : send;
    const made = await Promise.all(Array.from({ length: connections }, () => session.connectTcp(address)));
    const reading = await measureLoad(on, (meter, signal) => Promise.all(made.map((connection) => work(connection, meter, signal))));
    return [throughput(`bulk ${direction}, ${connections} connection${connections === 1 ? "" : "s"}`, reading), costOfBytes(reading)];
  },
});

export const bulks: readonly Work[] = (["down", "up"] as const).flatMap((direction) => [1, 8, 64].map((count) => bulk(direction, count)));

/** Connects of a client while bulk comes down to it. */
export const connectsUnderBulk: Work = {
  name: "connects/underBulk",
  about: "connects one after another in a session to which 8 connections send bulk",
  measure: async (on) => {
    const session = await on.session();
    const source = { ip: "127.0.0.1", port: targetPorts.source };
    const made = await Promise.all(Array.from({ length: 8 }, () => session.connectTcp(source)));
    for (const connection of made) connection.resume();
    const reading = await measureLoad(on, async (meter, signal) => {
      while (!signal.aborted) {
        const began = performance.now();
        const connection = await session.connectTcp({ ip: "127.0.0.1", port: targetPorts.echo });
        meter.done(1, performance.now() - began);
        connection.destroy();
      }
    });
    for (const connection of made) connection.destroy();
    const sorted = reading.latenciesMs.toSorted((one, other) => one - other);
    return [
      { what: "connect under bulk load, p50", unit: "ms", better: "lower", value: sorted[Math.floor(sorted.length / 2)]! },
      { what: "longest", unit: "ms", better: "lower", value: sorted.at(-1)! },
    ];
  },
};
