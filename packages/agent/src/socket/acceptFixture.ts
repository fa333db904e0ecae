// Run by the test beside it with a low limit of open files: listens, fills its descriptors, lets a client wait, and makes room again.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import net from "node:net";
import { acceptHandles } from "./acceptHandles.ts";

const server = net.createServer().listen(0, "127.0.0.1");
await once(server, "listening");
let accepted = 0;
const codes: string[] = [];
const { promise: paused, resolve: onPaused } = Promise.withResolvers<void>();
const acceptor = acceptHandles(
  server,
  (handle) => {
    accepted += 1;
    handle.open().end("served");
  },
  {
    paused(error) {
      codes.push(error.code);
      onPaused();
    },
  },
);
// Writes what 40 connections got.
const script = `const net = require("node:net"); let rest = 40, served = 0;
  for (let i = 0; i < 40; i++) net.connect(${acceptor.port}, "127.0.0.1").on("data", () => served++).on("error", () => {})
    .on("close", () => { if (--rest === 0) console.log(served); });
 `;
const clients = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
const output = once(clients.stdout, "data");
const fillers: number[] = [];
try {
  for (;;) fillers.push(openSync("/dev/null", "r"));
} catch {
  // Every descriptor is in use, which was wanted.
}
await paused;
const acceptedWhileFull = accepted;
for (const fd of fillers) closeSync(fd);
const served = Number(String((await output)[0]));
acceptor[Symbol.dispose]();
process.stdout.write(JSON.stringify({ acceptedWhileFull, accepted, served, codes }));
