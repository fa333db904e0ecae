// Runs on Node 22, which takes the types away itself but has no `using`: works with an agent and an echo server at ports of this machine through the
// compiled library (first argument), and prints what came of it.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import type * as Client from "@understudy/client";

const [library = "", agentPort, echoPort] = process.argv.slice(2);
const { connectAgent, FileError } = (await import(library)) as typeof Client;
const session = await connectAgent({ host: "127.0.0.1", port: Number(agentPort) });
const folder = await mkdtemp(`${tmpdir()}/understudy-22-`);
const { files } = session;

const variable = (await session.env({ select: ["UNDERSTUDY_ON_*"] })).get("UNDERSTUDY_ON_22");
await files.writeFile(`${folder}/file`, "written on 22");
const file = await text(files.createReadStream(`${folder}/file`));
const listed = await files.readdir(folder);
const code = await files.stat(`${folder}/missing`).then(
  () => null,
  (error: unknown) => (error instanceof FileError ? error.code : String(error)),
);
const address = (await session.lookup("localhost", "ipv4Only"))[0]?.ip;
const connection = await session.connectTcp({ ip: "127.0.0.1", port: Number(echoPort) });
connection.end("through the agent");
const echoed = await text(connection);
const aborted = await files.readFile(`${folder}/file`, { signal: AbortSignal.abort("enough") }).then(() => null, String);
await rm(folder, { recursive: true });
await session[Symbol.asyncDispose]();
const { end } = await session.closed;
process.stdout.write(JSON.stringify({ node: process.version, variable, file, listed, code, address, echoed, aborted, end }));
