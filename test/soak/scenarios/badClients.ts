// Clients that leave without a word: they reset their connection in the middle of work or of a message, send what is no message, or are killed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { connectToSource, encoded, RawClient } from "../../pod/rawClient.ts";
import { targetBigFile } from "../../pod/pod.ts";
import { targetPorts } from "../../pod/ports.ts";
import type { Scenario } from "../scenario.ts";

const work = Buffer.concat([
  connectToSource(4),
  encoded(
    {
      kind: "fileRequest",
      value: {
        kind: "open",
        value: {
          path: targetBigFile,
          openOptions: { read: true, write: false, append: false, truncate: false, create: false, createNew: false },
        },
      },
    },
    { kind: "getAddrInfoRequest", value: { node: "name.example.test" } },
    {
      kind: "tcpSteal",
      value: { kind: "portSubscribe", value: { kind: "filteredHttp", value: [targetPorts.otherHttp, "^x-user: nobody$"] } },
    },
    { kind: "tcp", value: { kind: "portSubscribe", value: targetPorts.otherHttp } },
  ),
]);
const noMessage = Buffer.alloc(64, 0xff);

const aborted: Scenario = {
  name: "aborted sessions",
  loops: 2,
  restMs: 30,
  turn: async (_world, number) => {
    using client = await RawClient.connect();
    const ends: readonly (() => void)[] = [
      () => client.reset(),
      () => client.end(),
      () => {
        client.send(work.subarray(0, work.length - 3));
        client.reset();
      },
    ];
    client.send(work);
    // Long enough for some of it to be under way, and different each time.
    await sleep(number % 40);
    ends[number % ends.length]!();
    await client.closed();
  },
};

const malformed: Scenario = {
  name: "clients that send no message",
  loops: 1,
  restMs: 1000,
  turn: async () => {
    using client = await RawClient.connect();
    client.send(work);
    client.send(noMessage);
    await client.closed();
  },
};

const killed: Scenario = {
  name: "killed clients",
  loops: 1,
  restMs: 1000,
  turn: async ({ agent }) => {
    const program = fileURLToPath(new URL("../killedClient.ts", import.meta.url));
    const { host, port } = agent.address;
    const child = spawn(process.execPath, ["--conditions=source", program, host, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    await Promise.race([once(child.stdout, "data"), exited]);
    child.kill("SIGKILL");
    await exited;
  },
};

export const badClients: readonly Scenario[] = [aborted, malformed, killed];
