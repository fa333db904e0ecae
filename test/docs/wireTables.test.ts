// The page about the wire says what the codecs do.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { versionGates } from "@understudy/protocol";
import { wirePage, withTables } from "./wireTables.ts";

suite("docs/wire.md", () => {
  test("its tables are those of the codecs; node --conditions=source test/docs/wireTables.ts renews them", async () => {
    const page = await readFile(wirePage, "utf8");
    assert.ok(page === withTables(page), "docs/wire.md is out of date");
  });

  test("its list of gates is the one that is used", async () => {
    const page = await readFile(wirePage, "utf8");
    const rows = [...page.matchAll(/^\| (\d+\.\d+\.\d+) \| `(\w+)` \| (\w+) \|/gm)].map(([, atLeast, name, limits]) => [
      name,
      atLeast,
      limits,
    ]);
    assert.deepEqual(
      rows,
      Object.entries(versionGates).map(([name, { atLeast, limits }]) => [name, atLeast, limits]),
    );
  });
});
