// The client library on the oldest Node that it is for: its compiled form, as users get it, with a real agent.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Listening } from "../cli/listening.ts";
import { TargetlessAgent } from "../cli/targetlessAgent.ts";

const program = fileURLToPath(new URL("clientProgram.ts", import.meta.url));
const compiled = fileURLToPath(new URL("../../packages/client/dist/index.js", import.meta.url));

/** The Node that npm installed for the tests alone; null where it has none for this machine. */
function oldestNode(): string | null {
  try {
    const require = createRequire(import.meta.url);
    const name = `node-${process.platform}-${process.arch}/package.json`;
    const { version } = require(name) as { version: string };
    // Without one of its own this is what the whole project runs on.
    return version.startsWith("22.") ? join(dirname(require.resolve(name)), "bin/node") : null;
  } catch {
    return null;
  }
}

function skipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  if (oldestNode() === null) return "Node 22 is not installed";
  return existsSync(compiled) ? false : "packages/client is not compiled";
}

test("the compiled library works on Node 22", { skip: skipReason(), timeout: 60_000 }, async () => {
  const node = oldestNode();
  assert.ok(node !== null, "Node 22 is not installed");
  await using agent = await TargetlessAgent.start({ env: { UNDERSTUDY_ON_22: "yes" } });
  await using echo = await Listening.on(createServer((socket) => void socket.pipe(socket)));
  const { stdout } = await promisify(execFile)(node, [program, compiled, String(agent.port), String(echo.port)]);
  const { node: version, ...rest } = JSON.parse(stdout) as { node: string };
  assert.match(version, /^v22\./);
  assert.deepEqual(rest, {
    variable: "yes",
    file: "written on 22",
    listed: ["file"],
    code: "ENOENT",
    address: "127.0.0.1",
    echoed: "through the agent",
    aborted: "enough",
    end: "disposed",
  });
});
