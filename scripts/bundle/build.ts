// Puts the agent's modules together into few files, packages/agent/dist/bundle, which `bin/mirrord-agent` starts: Node finds, reads and links each module on its own,
// and for some 300 of them that takes longer than all the rest of the start. What the agent loads only when it needs it stays a file of its own.
//
// It checks no types: `tsc -b` does. `place.ts` finds the source again of a place in the bundle.

import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const agent = fileURLToPath(new URL("../../packages/agent", import.meta.url));
const outdir = join(agent, "dist/bundle");

/** The launcher starts the first two, the agent the third, beside itself. Apart from one another: what they share would be further files to load. */
const programs = ["src/main.ts", "src/cleanUp.ts", "src/runtime/lookUpChild.ts"];

async function bundle(program: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: agent,
    entryPoints: [program],
    entryNames: "[name]",
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    conditions: ["source"],
    // It looks for its native part beside itself.
    external: ["koffi"],
    // Names stay, so that the stack of an error is readable. Comments go: V8 keeps the text of what it runs, twice as large where it is not all Latin-1.
    minifyWhitespace: true,
    lineLimit: 160,
    sourcemap: "external",
    sourcesContent: false,
    metafile: true,
    logLevel: "warning",
  });
  return Object.keys(metafile.outputs).map((path) => basename(path));
}

const made = new Set((await Promise.all(programs.map(bundle))).flat());
// The names of what is loaded later change with its content. An agent that runs meanwhile still finds what has not changed.
const found = await readdir(outdir);
await Promise.all(found.filter((file) => !made.has(file)).map((file) => rm(join(outdir, file))));
