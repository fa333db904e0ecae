import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { test } from "node:test";
import { NetfilterSocket, SystemCallError, markedTcpSocket } from "./index.ts";

const skip = process.getuid?.() !== 0 && process.env["CI"] === undefined ? "needs root" : false;

test("the packet filter's refusal is an error with its reason, and a closed socket is not used", { skip }, async () => {
  const socket = new NetfilterSocket();
  // A message of a subsystem that does not exist.
  const message = Buffer.alloc(20);
  message.writeUInt32LE(20, 0);
  message.writeUInt16LE(0x7f00, 4);
  message.writeUInt16LE(0x5, 6);
  await assert.rejects(socket.request(message), (error) => error instanceof SystemCallError && error.syscall === "nfnetlink");
  socket[Symbol.dispose]();
  socket[Symbol.dispose]();
  await assert.rejects(socket.request(message), /the socket is closed/);
});

test("a marked socket connects like any other", { skip }, async () => {
  const server = createServer((peer) => peer.end("hello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const fd = markedTcpSocket(4, 0x2000);
  const options = { fd, readable: true, writable: true, manualStart: true };
  const [data] = (await once(new Socket(options).connect({ port, host: "127.0.0.1" }), "data")) as [Buffer];
  assert.equal(data.toString(), "hello");
  server.close();
  closeSync(markedTcpSocket(6, 1));
});

test("a process that asked for it ends with its parent", async () => {
  const child = `import { endWithParent } from ${JSON.stringify(import.meta.resolve("./endWithParent.ts"))};
    process.on("SIGTERM", () => { console.log("told"); process.exit(); });
    endWithParent("SIGTERM");
    console.log("ready");
    setTimeout(() => console.log("left alone"), 5000);`;
  const parent = spawn("sh", ["-c", '"$0" --input-type=module -e "$1" & wait', process.execPath, child], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(parent.stdout, "data");
  parent.kill("SIGKILL");
  const [said] = (await once(parent.stdout, "data")) as [Buffer];
  assert.equal(said.toString(), "told\n");
});
