// The page about operation says what the agent does.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { agentModule, operationsPage, withOperationsTables } from "./operationsTables.ts";

interface SettingsModule {
  readonly parseSettings: (env: NodeJS.ProcessEnv) => unknown;
}
interface CliModule {
  readonly parseCommandLine: (argv: readonly string[], env: NodeJS.ProcessEnv) => unknown;
}

suite("docs/operations.md", () => {
  test("its tables are those of the agent; node --conditions=source test/docs/operationsTables.ts renews them", async () => {
    const page = await readFile(operationsPage, "utf8");
    assert.ok(page === (await withOperationsTables(page)), "docs/operations.md is out of date");
  });

  test("it has a row for every variable that the agent reads, and for no other", async () => {
    const { parseSettings } = await agentModule<SettingsModule>("settings");
    const { parseCommandLine } = await agentModule<CliModule>("cli");
    const read = new Set<string>();
    const env = new Proxy<NodeJS.ProcessEnv>(
      {},
      {
        get(_target, name) {
          read.add(String(name));
          return undefined;
        },
      },
    );
    parseSettings(env);
    parseCommandLine(["targetless"], env);
    const page = await readFile(operationsPage, "utf8");
    const rows = [...page.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \| (?!info|warn|error)/gm)].map(([, name]) => name ?? "");
    // Read by the launcher and by the main module.
    const elsewhere = ["NO_COLOR", "UV_THREADPOOL_SIZE"];
    assert.deepEqual(rows.toSorted(), [...read, ...elsewhere].toSorted());
  });
});
