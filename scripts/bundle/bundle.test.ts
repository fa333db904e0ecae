// The bundle as `make build` left it: what an agent loads before it is ready, and how a place in it is found in the sources.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { execPath } from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const bundle = new URL("../../packages/agent/dist/bundle/", import.meta.url);

interface Loaded {
  bytes: number;
  readonly modules: Set<string>;
}

function textOf(file: string): string {
  return readFileSync(new URL(file, bundle), "utf8");
}

/** All that comes with a file. */
function load(file: string, loaded: Loaded = { bytes: 0, modules: new Set() }): Loaded {
  if (loaded.modules.has(file)) return loaded;
  loaded.modules.add(file);
  if (!file.endsWith(".js")) return loaded;
  const text = textOf(file);
  loaded.bytes += text.length;
  for (const [, module = ""] of text.matchAll(/(?:^|;)import(?:[^"';]*from)?"([^"]+)"/gm)) load(module.replace(/^\.\//, ""), loaded);
  return loaded;
}

/** The file that `main.js` loads once it knows that an agent is wanted. */
function agentFile(): string {
  const name = /import\("\.\/(agent-\w+\.js)"\)/.exec(textOf("main.js"))?.[1];
  assert.ok(name !== undefined);
  return name;
}

test("an agent loads no filters, HTTP or TLS, and nothing of Node that is large, before it is ready", () => {
  const { modules, bytes } = load(agentFile(), load("main.js"));
  assert.ok(modules.has("node:net"));
  const large = ["crypto", "http", "http2", "https", "tls", "worker_threads", "zlib"].map((name) => `node:${name}`);
  assert.deepEqual(
    [...modules].filter((module) => large.includes(module) || /^(?:compileFilter|route|tlsPort)-/.test(module)),
    [],
  );
  assert.ok(bytes < 500_000, `it loads ${bytes} bytes`);
});

test("the places of a stack trace are found in the sources", () => {
  const lines = textOf(agentFile()).split("\n");
  const line = lines.findIndex((text) => text.includes("async function runAgent("));
  const column = lines[line]!.indexOf("async function runAgent(") + 1;
  const trace = `Error: unexpected\\n    at runAgent (file:///opt/agent/packages/agent/dist/bundle/${agentFile()}:${line + 1}:${column})\\n    at else (node:net:1:2)`;
  const { stdout } = spawnSync(execPath, [fileURLToPath(new URL("place.ts", import.meta.url))], { input: trace, encoding: "utf8" });
  const source = readFileSync(new URL("../../packages/agent/src/agent.ts", import.meta.url), "utf8").split("\n");
  const place = source.findIndex((text) => text.includes("async function runAgent(")) + 1;
  assert.match(
    stdout,
    new RegExp(`at runAgent \\([^)]*packages/agent/src/agent\\.ts:${place}:\\d+\\)\\\\n    at else \\(node:net:1:2\\)$`),
  );
});
