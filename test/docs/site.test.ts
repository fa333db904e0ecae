// The site of `docs/` can be built, and every link in it leads somewhere: between pages (the generator's own check) and to files of the repository.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { commandPage } from "./commandPage.ts";
import { picture, pictureFile } from "./picture.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const docs = path.join(root, "docs");

/** Pages of the site and of the repository, relative to its root. */
async function pages(): Promise<string[]> {
  const inDocs = (await readdir(docs, { recursive: true })).filter((name) => name.endsWith(".md") && !name.includes("node_modules"));
  const beside = (await readdir(root)).filter((name) => name.endsWith(".md"));
  return [...inDocs.map((name) => path.join("docs", name)), ...beside, "deploy/README.md"];
}

suite("the documents", () => {
  test("the site can be built", async () => {
    const vitepress = path.join(root, "node_modules/vitepress/bin/vitepress.js");
    await run(process.execPath, [vitepress, "build", "docs"], { cwd: root, env: { ...process.env, NODE_OPTIONS: "" } });
    await access(path.join(root, "dist/docs/start.html"));
  });

  test("the README's picture shows the first example of the commands' page", async () => {
    assert.equal(await readFile(pictureFile, "utf8"), picture(await readFile(commandPage, "utf8")));
  });

  test("every link to a file of the repository leads somewhere", async () => {
    const broken: string[] = [];
    for (const page of await pages()) {
      const text = await readFile(path.join(root, page), "utf8");
      for (const [, target = ""] of text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(target) || target.startsWith("/")) continue;
        const file = path.join(root, path.dirname(page), target);
        await access(file).catch(() => broken.push(`${page}: ${target}`));
      }
    }
    assert.deepEqual(broken, []);
  });
});
