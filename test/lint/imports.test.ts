// Proves that the lint rules refuse what CONTRIBUTING.md says they refuse: it lays out a small tree of files that break or keep the
// rules, under the repository's own configuration, and compares what oxlint reports with what each file expects.
// It does not judge the repository's sources; `make lint` does.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite, test } from "node:test";

/** The rule that must be reported for a file, or null where the file must pass. */
type Expected = string | null;

interface Sample {
  readonly file: string;
  readonly source: string;
  readonly expected: Expected;
}

const imports = "eslint(no-restricted-imports)";
const noSync = "node(no-sync)";
const root = path.resolve(import.meta.dirname, "../..");

const importing = (file: string, specifier: string, expected: Expected): Sample => ({
  file,
  source: `import { thing } from "${specifier}";\nexport const other = thing;\n`,
  expected,
});
const agent = (file: string, specifier: string, expected: Expected): Sample => importing(`packages/agent/src/${file}`, specifier, expected);

const samples: readonly Sample[] = [
  // packages
  importing("packages/protocol/src/a.ts", "node:buffer", imports),
  importing("packages/protocol/src/b.ts", "fast-check", imports),
  importing("packages/protocol/src/c.ts", "@understudy/native", imports),
  importing("packages/protocol/src/wire/d.ts", "../codec/struct.ts", null),
  importing("packages/protocol/src/e.ts", "../../agent/src/index.ts", imports),
  importing("packages/protocol/src/a.test.ts", "node:fs", null),
  importing("packages/protocol/src/b.test.ts", "node:net", imports),
  importing("packages/native/src/a.ts", "@understudy/protocol", imports),
  importing("packages/native/src/b.ts", "koffi", null),
  importing("packages/client/src/a.ts", "@understudy/agent", imports),
  importing("packages/client/src/b.ts", "@understudy/native", imports),
  importing("packages/client/src/c.ts", "../../agent/src/files/open.ts", imports),
  importing("packages/client/src/d.ts", "@understudy/protocol", null),
  importing("test/deep.ts", "../packages/agent/src/files/open.ts", imports),
  importing("bench/deep.ts", "@understudy/agent/src/files/open.ts", imports),
  importing("test/public.ts", "@understudy/agent", null),
  agent("client.ts", "@understudy/client", imports),

  // domains
  agent("files/a.ts", "../dns/lookup.ts", imports),
  agent("files/b.ts", "../session/serve.ts", imports),
  agent("files/deep/c.ts", "../../incoming/steal/steal.ts", imports),
  agent("files/d.ts", "../main.ts", imports),
  agent("files/e.ts", "../link/session.ts", null),
  agent("files/f.ts", "@understudy/native", null),
  agent("files/g.test.ts", "../dns/lookup.ts", imports),
  agent("dns/a.ts", "../outgoing/udp.ts", imports),
  agent("dns/b.ts", "../runtime/docker.ts", imports),
  agent("outgoing/a.ts", "../socket/write.ts", null),
  agent("outgoing/b.ts", "../namespace/enter.ts", imports),
  agent("incoming/a.ts", "../namespace/enter.ts", null),
  agent("incoming/http/b.ts", "../tls/peek.ts", null),
  agent("incoming/http/c.ts", "../../files/open.ts", imports),
  agent("env/a.ts", "../runtime/docker.ts", null),
  agent("env/b.ts", "../files/open.ts", imports),

  // the folders above and below them
  agent("session/a.ts", "../files/open.ts", null),
  agent("session/b.ts", "../admin/page.ts", imports),
  agent("session/c.ts", "@understudy/native", imports),
  agent("task/a.ts", "../log/log.ts", null),
  agent("task/b.ts", "../metrics/metrics.ts", imports),
  agent("runtime/a.ts", "../task/repeat.ts", null),
  agent("runtime/b.ts", "../metrics/metrics.ts", imports),
  agent("namespace/a.ts", "@understudy/native", null),
  agent("namespace/b.ts", "../task/repeat.ts", imports),
  agent("metrics/a.ts", "../log/log.ts", imports),
  agent("log/a.ts", "../metrics/metrics.ts", imports),
  agent("admin/a.ts", "../metrics/metrics.ts", null),
  agent("admin/b.ts", "../session/serve.ts", imports),
  agent("errors/a.ts", "@understudy/protocol", null),
  agent("errors/b.ts", "../log/log.ts", imports),
  agent("link/a.ts", "../task/queue.ts", imports),
  agent("socket/a.ts", "../task/queue.ts", null),
  agent("socket/b.ts", "../metrics/metrics.ts", imports),
  agent("cli.ts", "./session/serve.ts", null),

  // nothing waits on the event loop
  {
    file: "packages/agent/src/files/read.ts",
    source: `import { readFileSync } from "node:fs";\nexport const text = (): string => readFileSync("a", "utf8");\n`,
    expected: noSync,
  },
  {
    file: "packages/agent/src/incoming/spawn.ts",
    source: `import * as child from "node:child_process";\nexport const run = (): unknown => child.spawnSync("a");\n`,
    expected: noSync,
  },
  {
    file: "packages/agent/src/runtime/read.ts",
    source: `import { readFileSync } from "node:fs";\nexport const text = (): string => readFileSync("a", "utf8");\n`,
    expected: null,
  },
  { file: "packages/agent/src/files/log.ts", source: `export const say = (): void => console.log("x");\n`, expected: "eslint(no-console)" },
  {
    file: "packages/agent/src/session/quit.ts",
    source: `export const quit = (): never => process.exit(1);\n`,
    expected: "unicorn(no-process-exit)",
  },

  // rules that need types
  {
    file: "packages/agent/src/dns/floating.ts",
    source: `const later = async (): Promise<void> => await Promise.resolve();\nexport const start = (): void => {\n  later();\n};\n`,
    expected: "typescript(no-floating-promises)",
  },
  {
    file: "packages/agent/src/dns/floating.test.ts",
    source: `import { suite, test } from "node:test";\nsuite("s", () => {\n  test("t", async () => await Promise.resolve());\n});\n`,
    expected: null,
  },
  {
    file: "packages/agent/src/dns/union.ts",
    source: `export const f = (x: "a" | "b"): number => {\n  switch (x) {\n    case "a":\n      return 1;\n  }\n  return 2;\n};\n`,
    expected: "typescript(switch-exhaustiveness-check)",
  },
];

/** What oxlint reports for the samples: file, relative to the tree, to the rules broken there. */
async function lintSamples(): Promise<ReadonlyMap<string, readonly string[]>> {
  const tree = await mkdtemp(path.join(tmpdir(), "understudy-lint-"));
  await using owned = new AsyncDisposableStack();
  owned.defer(() => rm(tree, { recursive: true, force: true }));
  await copyFile(path.join(root, ".oxlintrc.jsonc"), path.join(tree, ".oxlintrc.jsonc"));
  await symlink(path.join(root, "node_modules"), path.join(tree, "node_modules"));
  await writeFile(
    path.join(tree, "tsconfig.json"),
    JSON.stringify({ extends: path.join(root, "tsconfig.base.json"), compilerOptions: { types: ["node"] }, include: ["packages"] }),
  );
  for (const { file, source } of samples) {
    await mkdir(path.join(tree, path.dirname(file)), { recursive: true });
    await writeFile(path.join(tree, file), source);
  }
  const oxlint = path.join(root, "node_modules/oxlint/bin/oxlint");
  const output = await new Promise<string>((resolve) => {
    const env = { ...process.env, PATH: `${path.join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}` };
    // It ends with 1 where it found something, which it must here; a failure to start leaves no JSON to read.
    execFile(process.execPath, [oxlint, "--type-aware", "--format=json"], { cwd: tree, env, maxBuffer: 1 << 26 }, (_error, stdout) => {
      resolve(stdout);
    });
  });
  const { diagnostics } = JSON.parse(output) as { diagnostics: readonly { code: string; filename: string }[] };
  const broken = new Map<string, string[]>();
  for (const { code, filename } of diagnostics) {
    const file = path.relative(tree, path.resolve(tree, filename));
    broken.set(file, [...(broken.get(file) ?? []), code]);
  }
  return broken;
}

suite("lint rules", () => {
  test("a forbidden import, a blocking call or a floating promise fails the lint, and an allowed one does not", async () => {
    const broken = await lintSamples();
    const actual: Record<string, string | null> = {};
    const expected: Record<string, string | null> = {};
    for (const sample of samples) {
      // Whether the imported names exist is no matter here.
      const rules = (broken.get(sample.file) ?? []).filter((rule) => !rule.includes("no-unsafe") && !rule.startsWith("typescript(TS"));
      actual[sample.file] = rules.length === 0 ? null : rules.join(", ");
      expected[sample.file] = sample.expected;
    }
    assert.deepEqual(actual, expected);
  });

  test("every folder of the agent has an import rule of its own", async () => {
    const config = await readFile(path.join(root, ".oxlintrc.jsonc"), "utf8");
    const entries = await readdir(path.join(root, "packages/agent/src"), { withFileTypes: true });
    for (const { name } of entries.filter((entry) => entry.isDirectory())) {
      assert.ok(config.includes(`"packages/agent/src/${name}/**"]`), `add packages/agent/src/${name}/ to the overrides of .oxlintrc.jsonc`);
    }
  });
});
