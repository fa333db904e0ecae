// The walk in the agent against the kernel's own, which it stands in for: the same tree, the same path, the same outcome.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  openat2,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
} from "@understudy/native";
import { ThreadPool } from "../task/threadPool.ts";
import { type Bounds, walk } from "./agentWalk.ts";
import { ELOOP, ENAMETOOLONG, errnoOf, EXDEV } from "./errnos.ts";
import { descriptorsBelow, TemporaryTarget } from "./temporaryTargetFixture.ts";

const flagSets: Readonly<Record<string, number>> = {
  locate: O_PATH,
  name: O_PATH | O_NOFOLLOW,
  locateDirectory: O_PATH | O_DIRECTORY,
  nameDirectory: O_PATH | O_DIRECTORY | O_NOFOLLOW,
  read: O_RDONLY | O_NONBLOCK,
  readUnlinked: O_RDONLY | O_NOFOLLOW,
  list: O_RDONLY | O_DIRECTORY,
  write: O_WRONLY,
  truncate: O_RDWR | O_TRUNC,
  create: O_CREAT | O_WRONLY,
  createNew: O_CREAT | O_EXCL | O_WRONLY,
};

interface Outcome {
  readonly errno?: number | null;
  /** Where the file found lies. */
  readonly place?: string;
}

/** What a look-up comes to; what it creates is removed again. */
async function outcomeOf(target: TemporaryTarget, known: ReadonlySet<string>, look: () => Promise<number>): Promise<Outcome> {
  let fd: number;
  try {
    fd = await look();
  } catch (error) {
    return { errno: errnoOf(error) };
  }
  try {
    const place = fs.readlinkSync(`/proc/self/fd/${fd}`);
    if (place.startsWith(`${target.root}/`) && !known.has(place)) fs.unlinkSync(place);
    return { place };
  } finally {
    fs.closeSync(fd);
  }
}

async function compare(target: TemporaryTarget, startFd: number, bounds: Bounds, sought: string): Promise<void> {
  const known = new Set(allBelow(target.root));
  const pool = new ThreadPool().share();
  const resolve = bounds === "root" ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
  for (const [name, flags] of Object.entries(flagSets)) {
    const mode = (flags & O_CREAT) === 0 ? 0 : 0o644;
    const byKernel = await outcomeOf(target, known, () => openat2(startFd, sought, flags, mode, resolve));
    const byAgent = await outcomeOf(target, known, () => walk({ startFd, path: sought, bounds, flags, mode }, pool));
    assert.deepEqual(byAgent, byKernel, `${name} of ${JSON.stringify(sought)} with bounds ${bounds}`);
  }
}

/** Never through a link: some lead out of the tree. */
function allBelow(directory: string): string[] {
  return fs.readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(directory, entry.name);
    return entry.isDirectory() ? [at, ...allBelow(at)] : [at];
  });
}

const names = ["a", "b", "c"];
const component = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...names) },
  { weight: 2, arbitrary: fc.constant("..") },
  { weight: 1, arbitrary: fc.constant(".") },
);
const slashes = fc.constantFrom("/", "/", "/", "//", "/./");
const somePath = fc
  .tuple(fc.constantFrom("", "/"), fc.array(fc.tuple(component, slashes), { minLength: 1, maxLength: 6 }), fc.boolean())
  .map(([first, parts, endsInSlash]) => {
    const text = parts.map(([name, slash]) => name + slash).join("");
    return first + (endsInSlash ? text : text.replace(/\/+(\.\/)?$/, ""));
  });
type Planted = { readonly kind: "directory" } | { readonly kind: "file" } | { readonly kind: "link"; readonly text: string };
const node: fc.Arbitrary<Planted> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: "directory" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "file" as const }) },
  { weight: 4, arbitrary: somePath.map((text) => ({ kind: "link" as const, text })) },
);
/** Places with what stands there; what has no directory to stand in is left out. */
const tree = fc.array(fc.tuple(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }), node), { maxLength: 12 });

function plant(target: TemporaryTarget, planted: readonly (readonly [readonly string[], Planted])[]): void {
  for (const [place, what] of planted) {
    const at = target.at(place.join("/"));
    try {
      // Through a link it could be planted anywhere on this machine.
      if (fs.realpathSync(path.dirname(at)) !== path.dirname(at)) continue;
      if (what.kind === "directory") fs.mkdirSync(at);
      else if (what.kind === "file") fs.writeFileSync(at, "", { flag: "wx" });
      else fs.symlinkSync(what.text, at);
    } catch {
      // Something stands there already, or there is no directory to stand in.
    }
  }
}

test("the agent's walk finds what the kernel finds, in any tree of links, directories, dots and slashes", async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.array(somePath, { minLength: 1, maxLength: 3 }), async (planted, paths) => {
      using target = new TemporaryTarget();
      plant(target, planted);
      const below = fs.lstatSync(target.at("a"), { throwIfNoEntry: false })?.isDirectory() === true ? target.at("a") : target.root;
      const belowFd = fs.openSync(below, O_RDONLY);
      try {
        for (const sought of paths) {
          await compare(target, target.rootFd, "root", sought);
          await compare(target, target.rootFd, "beneath", sought);
          await compare(target, belowFd, "beneath", sought);
        }
      } finally {
        fs.closeSync(belowFd);
      }
      assert.deepEqual(descriptorsBelow(target.root), []);
    }),
    { numRuns: 120 },
  );
});

test("empty, long and strange paths come out as the kernel has them", async () => {
  using target = new TemporaryTarget();
  fs.mkdirSync(target.at("d"));
  fs.writeFileSync(target.at("d/ö"), "");
  fs.symlinkSync("ö", target.at("d/link"));
  fs.symlinkSync("new/", target.at("newDirectory"));
  fs.symlinkSync("new", target.at("new-link"));
  fs.writeFileSync(Buffer.concat([Buffer.from(target.at("d/")), Buffer.from([0xff])]), "");
  fs.symlinkSync(Buffer.from([0x64, 0x2f, 0xff]), target.at("toBytes"));
  const long = "x".repeat(256);
  const slashes = "/".repeat(4000);
  const paths = ["", "/", "//", ".", "..", "/..", "d/ö", "d/link", "toBytes", "newDirectory", "new-link", "new-link/", long, `d/${long}`];
  for (const sought of [...paths, `${slashes}d`, `${slashes}${slashes}d`, "a".repeat(4095), "a".repeat(4096), "d/".repeat(2047)]) {
    await compare(target, target.rootFd, "root", sought);
    await compare(target, target.rootFd, "beneath", sought);
  }
});

test("forty links are followed and no more, along a chain and within one path", async () => {
  using target = new TemporaryTarget();
  fs.writeFileSync(target.at("link0"), "");
  for (let index = 1; index <= 42; index += 1) fs.symlinkSync(`link${index - 1}`, target.at(`link${index}`));
  fs.mkdirSync(target.at("d"));
  fs.symlinkSync(".", target.at("d/here"));
  fs.symlinkSync("loop", target.at("loop"));
  const pool = new ThreadPool().share();
  const locate = (sought: string): Promise<number> =>
    walk({ startFd: target.rootFd, path: sought, bounds: "root", flags: O_PATH, mode: 0 }, pool);
  fs.closeSync(await locate("link40"));
  for (const sought of ["link41", "loop", "loop/x", `d/${"here/".repeat(41)}`]) {
    await assert.rejects(locate(sought), (error) => errnoOf(error) === ELOOP);
  }
  for (const sought of ["link40", "link41", "loop", "loop/", `d/${"here/".repeat(40)}`, `d/${"here/".repeat(41)}`]) {
    await compare(target, target.rootFd, "root", sought);
  }
});

test("magic links of procfs are refused as the kernel refuses them, ordinary ones are followed", async () => {
  using target = new TemporaryTarget("/");
  const pid = process.pid;
  const magic = [
    `/proc/${pid}/root`,
    `/proc/${pid}/cwd/x`,
    `/proc/${pid}/fd/0`,
    `/proc/${pid}/exe`,
    "/proc/self/root/etc",
    "/proc/self/ns/net",
  ];
  const ordinary = ["/proc/self", "/proc/thread-self", "/proc/mounts", "/proc/net", "/proc/net/dev", "/sys/class/net/lo"];
  const pool = new ThreadPool().share();
  const threads = /^\/proc\/\d+\/task\/\d+$/;
  for (const sought of [...magic, ...ordinary]) {
    for (const flags of [O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY]) {
      const look = { startFd: target.rootFd, path: sought, bounds: "root" as const, flags, mode: 0 };
      const byKernel = await outcomeOf(target, new Set(), () => openat2(target.rootFd, sought, flags, 0, RESOLVE_IN_ROOT));
      const byAgent = await outcomeOf(target, new Set(), () => walk(look, pool));
      // Each thread of the pool is another "thread-self".
      if (threads.test(byKernel.place ?? "")) assert.match(byAgent.place ?? "", threads);
      else assert.deepEqual(byAgent, byKernel, sought);
      if (magic.includes(sought) && flags === O_PATH) assert.equal(byAgent.errno, EXDEV, sought);
    }
  }
});

test(
  "a link that somebody else left where everybody may leave files is not followed",
  { skip: process.getuid?.() === 0 ? false : "needs root" },
  async () => {
    using target = new TemporaryTarget();
    fs.writeFileSync(target.at("file"), "");
    fs.mkdirSync(target.at("tmp"));
    fs.chmodSync(target.at("tmp"), 0o1777);
    for (const [name, owner] of [
      ["own", 0],
      ["stranger", 12345],
    ] as const) {
      fs.symlinkSync("/file", target.at(`tmp/${name}`));
      fs.lchownSync(target.at(`tmp/${name}`), owner, 0);
    }
    await compare(target, target.rootFd, "root", "/tmp/own");
    const isProtected = fs.readFileSync("/proc/sys/fs/protected_symlinks", "utf8").trim() === "1";
    if (isProtected) await compare(target, target.rootFd, "root", "/tmp/stranger");
  },
);

test("a walk holds no more directories than it is given, and none afterwards", async () => {
  using target = new TemporaryTarget();
  const deep = "d/".repeat(300);
  fs.mkdirSync(target.at(deep), { recursive: true });
  const pool = new ThreadPool().share();
  const look = { startFd: target.rootFd, bounds: "root" as const, flags: O_PATH, mode: 0 };
  await assert.rejects(walk({ ...look, path: deep }, pool), (error) => errnoOf(error) === ENAMETOOLONG);
  fs.closeSync(await walk({ ...look, path: "d/".repeat(200) }, pool));
  fs.closeSync(await walk({ ...look, path: "d/../".repeat(400) }, pool));
  assert.deepEqual(descriptorsBelow(target.root), []);
});
