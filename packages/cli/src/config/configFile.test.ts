// The config file: where it is found, what it may say, and how what is wrong is told.

import assert from "node:assert/strict";
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { UsageError } from "../usageError.ts";
import { findConfig, nextConfigFile, readConfig } from "./configFile.ts";
import { schemaFile } from "./configSchema.ts";

const good = `
# everything that there is
agent:
  deployment: shop/web
  context: minikube
  namespace: staging
  image: agent:1
  ephemeral: true
steal:
  ports: [80:3000, 9090, "81"]
  to: localhost
  header: "^x-user: me$"
  path: [^/api/, ^/v2/]
  any-of: true
mirror:
  ports:
    - 81
forward:
  - 5432:database:5432
  - 2375:unix:/var/run/docker.sock
`;

/** What a file says, and the problems that are told, without the file's name. */
const wrong: readonly (readonly [string, readonly string[]])[] = [
  ["- 1", ["1:1: it must be a map of keys, not [1]"]],
  ["agnt: {pid: 1}", ['1:1: unknown key "agnt", did you mean agent? (known: agent, steal, mirror, forward)']],
  ["agent:\n  zzzzzzzz: 1\n  pid: 1", ['2:3: agent: unknown key "zzzzzzzz" (known: address, pod, deployment,']],
  ["agent: {}", ["1:8: agent: it must name the agent by exactly one of address, pod,"]],
  ["agent:\n  pid: 1\n  netns: a", ["2:3: agent: it must name the agent by exactly one of"]],
  ["agent:\n  pid: one", ['2:8: agent.pid: it must be a whole number, not "one"']],
  ["agent:\n  pid: 0", ["2:8: agent.pid: it must be from 1 to 4194304, not 0"]],
  ["agent:\n  netns: a\n  namespace: b", ["2:3: agent: --namespace goes with --pod or --deployment, not with --netns"]],
  ["agent:\n  address: localhost", ['2:12: agent.address: it must be HOST:PORT, not "localhost"']],
  ["agent:\n  address: localhost:70000", ["2:12: agent.address: A port is a number from 1 to 65535."]],
  ["agent:\n  pod: a/b/c", ['2:8: agent.pod: it must be NAME or NAME/CONTAINER, not "a/b/c"']],
  [
    "steal:\n  ports: [80, 0, x]\n  headr: x",
    [
      "2:15: steal.ports[1]: it must be from 1 to 65535, not 0",
      '2:18: steal.ports[2]: it must be PORT or PORT:LOCAL, not "x"',
      '3:3: steal: unknown key "headr", did you mean header? (known: ports, to, header, path, method, any-of)',
    ],
  ],
  ["steal: {}", ["1:8: steal: ports is missing"]],
  ["steal:\n  ports: []", ["2:10: steal.ports: it must not be empty"]],
  ["steal:\n  ports: [80:70000]", ["2:11: steal.ports[0]: A port is a number from 1 to 65535."]],
  ["steal:\n  ports: [80]\n  to: 3000", ["3:7: steal.to: it must be text, not 3000"]],
  ['steal:\n  ports: [80]\n  to: "3000"', ["3:7: steal.to: It needs a host too, such as localhost:3000."]],
  ["mirror:\n  ports: 80", ["2:10: mirror.ports: it must be a list, not 80"]],
  ["mirror:\n  ports: [80]\n  path: {}", ["3:9: mirror.path: it must be text or a list, not {}"]],
  ["forward: [abc]", ['1:11: forward[0]: it must be LOCAL:HOST:REMOTE or LOCAL:unix:/path, not "abc"']],
  ["forward:\n  - 1:database", ["2:5: forward[0]: It must be HOST:PORT."]],
  ["agent: {pid: 1}\nagent: {pid: 2}", ["2:1: Map keys must be unique"]],
  ["agent: [", ["1:9: "]],
  ['steal: "\\u001b[31m', ["1:19: "]],
];

suite("the config file", () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), "understudy-config-"))));
  after(() => rm(folder, { recursive: true }));

  const write = async (name: string, text: string | Uint8Array): Promise<string> => {
    const file = join(folder, name);
    await writeFile(file, text);
    return file;
  };
  const problemsOf = async (file: string): Promise<readonly string[]> => {
    try {
      await readConfig(file);
    } catch (error) {
      assert.ok(error instanceof UsageError);
      return error.message.split("\n").map((line) => line.replace(/^\S*\.yaml:/, ""));
    }
    return [];
  };

  test("says which agent and what to do with it", async () => {
    const config = await readConfig(await write("good.yaml", good));
    assert.equal(config.agent?.deployment, "shop/web");
    assert.deepEqual(config.steal, {
      ports: ["80:3000", 9090, "81"],
      to: "localhost",
      header: "^x-user: me$",
      path: ["^/api/", "^/v2/"],
      "any-of": true,
    });
    assert.equal(config.forward?.length, 2);
    assert.deepEqual(await readConfig(await write("empty.yaml", "# nothing\n")), {});
  });

  for (const [text, expected] of wrong) {
    test(`is refused with line and column: ${JSON.stringify(text)}`, async () => {
      const problems = await problemsOf(await write("wrong.yaml", text));
      assert.equal(problems.length, expected.length, problems.join("\n"));
      for (const [index, problem] of problems.entries()) assert.ok(problem.startsWith(expected[index] ?? ""), problem);
    });
  }

  test("is refused where it cannot be read, is too large, or repeats itself without end", async () => {
    assert.match((await problemsOf(join(folder, "none.yaml")))[0] ?? "", /cannot be read: ENOENT/);
    assert.match((await problemsOf(folder))[0] ?? "", /cannot be read: EISDIR/);
    assert.match((await problemsOf(await write("large.yaml", Buffer.alloc(2 * 1024 * 1024, "#"))))[0] ?? "", /more than 1048576/);
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
    for (let index = 1; index < 9; index++) {
      const [name, inner] = [String.fromCharCode(97 + index), String.fromCharCode(96 + index)];
      bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${inner}`).join(",")}]`);
    }
    assert.match((await problemsOf(await write("bomb.yaml", bomb.join("\n"))))[0] ?? "", /alias/i);
  });

  test("is the next one upwards, and none is no error", async () => {
    const below = join(folder, "x", "y");
    await mkdir(below, { recursive: true });
    assert.equal(await findConfig(undefined, below), null);
    const outer = await write("understudy.yaml", "agent: {pid: 1}");
    assert.equal(await nextConfigFile(below), outer);
    // A folder of that name is none.
    await mkdir(join(below, "understudy.yaml"));
    const inner = await write("x/understudy.yaml", "agent: {pid: 2}");
    assert.equal(await nextConfigFile(below), inner);
    assert.deepEqual(await findConfig(undefined, below), { agent: { pid: 2 } });
    assert.deepEqual(await findConfig(outer, below), { agent: { pid: 1 } });
  });
});

test("a config file of another user is not taken unless it is named", { skip: process.getuid?.() !== 0 && "needs root" }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "understudy-config-"));
  try {
    const file = join(folder, "understudy.yaml");
    await writeFile(file, "agent: {pid: 1}");
    await chown(file, 12_345, 12_345);
    await assert.rejects(findConfig(undefined, folder), /belongs to another user: name it with --config/);
    assert.deepEqual(await findConfig(file), { agent: { pid: 1 } });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the schema describes every key, for editors", async () => {
  const { definitions } = JSON.parse(await readFile(schemaFile, "utf8")) as {
    readonly definitions: Readonly<Record<string, { readonly properties?: Readonly<Record<string, { readonly description?: string }>> }>>;
  };
  for (const [name, { properties = {} }] of Object.entries(definitions)) {
    for (const [key, value] of Object.entries(properties)) {
      assert.ok(value.description !== undefined, `${name}.${key}`);
    }
  }
});
