// `understudy ls`, `cat`, `find` and `cp`, and `session.files`, with a real agent and the files of a pod.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, suite, test } from "node:test";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { FileError, type Session } from "@understudy/client";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podSkipReason } from "../pod/pod.ts";
import { cliCommand, type CliRun, runCli, runProgram } from "./cliRun.ts";
import { StallingProxy } from "./stallingProxy.ts";

const MIB = 1024 * 1024;
const HUGE_BYTES = 64 * MIB;
const STALL_BYTES = 20 * MIB;

/** What the target has in /srv/t. */
const prepare = `
  mkdir -p /srv/t/many /srv/t/tree/sub/deeper /srv/t/tree/private /srv/t/up && cd /srv/t
  i=0; while [ $i -lt 2000 ]; do : > many/file-$i; i=$((i+1)); done
  printf 'a\\000b\\377c\\n' > binary
  : > tree/empty
  printf hello > tree/hello.txt; chmod 4750 tree/hello.txt
  printf secret > tree/.hidden
  truncate -s 3M tree/sub/sparse; printf end >> tree/sub/sparse
  ln -s hello.txt tree/link; ln -s .. tree/sub/loop; ln -s /nowhere tree/dangling; ln -s self tree/self
  mkfifo tree/pipe
  printf x > "$(printf 'tree/bad\\377name')"
  printf x > tree/sub/deeper/last
  chown 1:1 tree/private; chmod 700 tree/private
  head -c ${HUGE_BYTES} /dev/urandom > huge
`;

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

suite("the target's files", { skip: podSkipReason(), timeout: 120_000 }, () => {
  let pod: Pod;
  let agent: AgentProcess;
  let folder: string;
  let address: string;
  const run = (...args: readonly string[]): Promise<CliRun> => runCli(...args, "--agent", address);
  const lines = ({ stdout }: CliRun): string[] => stdout.split("\n").slice(0, -1);
  /** A shell in the target's files. */
  const inTarget = async (script: string): Promise<string> =>
    (await promisify(execFile)("nsenter", ["--target", String(pod.pid), "--mount", "--", "sh", "-ec", script])).stdout;

  before(async () => {
    pod = await Pod.start();
    // For the proxy: the namespace outside the pod, where this test is, has it down.
    await promisify(execFile)("ip", ["link", "set", "lo", "up"]);
    await inTarget(prepare);
    // Without these rights root is not let into others' private directories.
    const setpriv = ["--bounding-set", "-dac_override,-dac_read_search"];
    agent = await AgentProcess.start(pod, { setpriv, env: { MIRRORD_AGENT_IDLE_TTL: "100" } });
    address = `${agent.address.host}:${agent.address.port}`;
    folder = await mkdtemp(`${tmpdir()}/understudy-cli-files-`);
  });
  after(async () => {
    await agent[Symbol.asyncDispose]();
    await pod[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test("ls lists by name, hidden ones when asked, and tells what it cannot", async () => {
    const many = await run("ls", "/srv/t/many");
    assert.equal(many.code, 0);
    assert.deepEqual(lines(many), Array.from({ length: 2000 }, (_, i) => `file-${i}`).sort());
    const plain = await run("ls", "/srv/t/tree");
    assert.deepEqual(lines(plain), ["bad\uFFFDname", "dangling", "empty", "hello.txt", "link", "pipe", "private", "self", "sub"]);
    const long = await run("ls", "-la", "/srv/t/tree");
    assert.match(long.stdout, /^-rwsr-x--- +1 +0 +0 +5 hello\.txt$/m);
    assert.match(long.stdout, / dangling -> \/nowhere$/m);
    assert.match(long.stdout, / \.hidden$/m);
    // A name that is not UTF-8 is known, but not to be asked for.
    assert.equal(long.code, 1);
    assert.match(long.stderr, /bad\uFFFDname: ENOENT/);
    const all = await run("ls", "-R", "/srv/t/tree/sub", "/srv/t/missing");
    assert.deepEqual(lines(all), ["/srv/t/tree/sub:", "deeper", "loop", "sparse", "", "/srv/t/tree/sub/deeper:", "last"]);
    assert.match(all.stderr, /stat \/srv\/t\/missing: ENOENT/);
    assert.equal(all.code, 1);
    const [json] = lines(await run("ls", "--json", "/srv/t/tree/link", "-l")).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual([json?.["type"], json?.["link"]], ["symlink", "hello.txt"]);
  });

  test("names cannot command a terminal", async () => {
    await inTarget(`mkdir -p /srv/t/esc; : > "$(printf '/srv/t/esc/\\033[31mred')"`);
    const [program, ...args] = cliCommand("ls", "/srv/t/esc", "--agent", address);
    const command = [program, ...args].map((part) => `'${part}'`).join(" ");
    assert.match((await runProgram("script", "-qec", command, "/dev/null")).stdout, /\\x1b\[31mred/);
    assert.equal((await run("ls", "/srv/t/esc")).stdout, "\u001b[31mred\n");
  });

  test("cat prints bytes as they are, as many as are wanted", async () => {
    const binary = await run("cat", "/srv/t/binary", "/srv/t/tree/hello.txt");
    assert.deepEqual(binary.bytes, Buffer.from("a\0b\xffc\nhello", "latin1"));
    const command = cliCommand("cat", "/srv/t/huge", "--agent", address)
      .map((part) => `'${part}'`)
      .join(" ");
    const head = await runProgram("bash", "-c", `${command} | head -c 10 | wc -c; echo "\${PIPESTATUS[0]}"`);
    assert.deepEqual(lines(head), ["10", "0"]);
    assert.equal(head.stderr, "");
    const some = await run("cat", "/srv/t/tree", "/srv/t/missing", "/srv/t/tree/hello.txt");
    assert.deepEqual([some.code, some.stdout], [1, "hello"]);
    assert.match(some.stderr, /\/srv\/t\/tree is a directory/);
    const piece = JSON.parse((await run("cat", "--json", "/srv/t/binary")).stdout) as { base64: string };
    assert.equal(Buffer.from(piece.base64, "base64").length, 6);
    assert.equal((await runCli("cat", "relative")).code, 2);
  });

  test("find goes through loops and closed directories to the end", async () => {
    const all = await run("find", "/srv/t/tree");
    assert.equal(all.code, 1);
    assert.match(all.stderr, /\/srv\/t\/tree\/private: EACCES/);
    const found = lines(all);
    const expected = ["", "/.hidden", "/bad\uFFFDname", "/dangling", "/empty", "/hello.txt", "/link", "/pipe", "/private", "/self"];
    const below = ["/sub", "/sub/deeper", "/sub/deeper/last", "/sub/loop", "/sub/sparse"];
    assert.deepEqual(found.toSorted(), [...expected, ...below].map((path) => `/srv/t/tree${path}`).toSorted());
    assert.ok(found.indexOf("/srv/t/tree/sub/deeper") < found.indexOf("/srv/t/tree/sub/deeper/last"));
    const only = async (...tests: readonly string[]) => lines(await run("find", "/srv/t/tree/sub", ...tests));
    assert.deepEqual(await only("--type", "f", "--size", "+1M"), ["/srv/t/tree/sub/sparse"]);
    assert.deepEqual(await only("--type", "l"), ["/srv/t/tree/sub/loop"]);
    assert.deepEqual(await only("--max-depth", "0"), ["/srv/t/tree/sub"]);
    assert.deepEqual(await only("--name", "l*t", "--type", "f"), ["/srv/t/tree/sub/deeper/last"]);
    assert.equal((await run("find", "/srv/t/many", "-0")).bytes.filter((byte) => byte === 0).length, 2001);
    assert.equal((await runCli("find", "/srv", "--size", "big")).code, 2);
  });

  test("find goes on when files vanish while it looks", async () => {
    await inTarget("mkdir -p /srv/t/vanishing/d; cd /srv/t/vanishing; i=0; while [ $i -lt 3000 ]; do : > d/$i; i=$((i+1)); done");
    const searching = run("find", "/srv/t/vanishing", "--json");
    await inTarget("rm -rf /srv/t/vanishing/d");
    const { code, stderr } = await searching;
    assert.ok(code === 0 || /ENOENT/.test(stderr), stderr);
    assert.ok(!/cannot|undefined|TypeError/.test(stderr), stderr);
  });

  test("cp -r brings a tree with its modes and links, and says what it leaves out", async () => {
    const { code, stderr } = await run("cp", "-r", ":/srv/t/tree", folder);
    assert.equal(code, 1);
    for (const left of [/tree\/pipe is not copied/, /bad\uFFFDname: ENOENT/, /tree\/private: EACCES/]) assert.match(stderr, left);
    const copy = `${folder}/tree`;
    assert.deepEqual(await readFile(`${copy}/hello.txt`, "utf8"), "hello");
    const hello = await stat(`${copy}/hello.txt`);
    assert.equal(hello.mode & 0o7777, 0o750);
    assert.equal((await stat(`${copy}/empty`)).size, 0);
    const sparse = await readFile(`${copy}/sub/sparse`);
    assert.deepEqual([sparse.length, sparse.subarray(-3).toString()], [3 * MIB + 3, "end"]);
    assert.equal(await readlink(`${copy}/sub/loop`), "..");
    assert.equal(await readlink(`${copy}/dangling`), "/nowhere");
    assert.equal((await stat(`${copy}/private`)).mode & 0o777, 0o700);
    assert.deepEqual(
      (await readdir(copy, { recursive: true })).filter((name) => name.endsWith(".part")),
      [],
    );
  });

  test("cp --follow copies what links point to, and ends at loops", async () => {
    const { stderr } = await run("cp", "-r", "--follow", "target:/srv/t/tree", `${folder}/followed`);
    assert.match(stderr, /sub\/loop is not copied: it leads back/);
    assert.match(stderr, /tree\/self: ELOOP/);
    assert.equal(await readFile(`${folder}/followed/link`, "utf8"), "hello");
    assert.ok((await lstat(`${folder}/followed/link`)).isFile());
  });

  test("cp writes through no link that is in its way", async () => {
    await mkdir(`${folder}/trap/tree/elsewhere`, { recursive: true });
    await mkdir(`${folder}/outside`);
    await writeFile(`${folder}/outside/file`, "mine");
    await rm(`${folder}/trap/tree/elsewhere`, { recursive: true });
    await symlink(`${folder}/outside`, `${folder}/trap/tree/sub`);
    await symlink(`${folder}/outside/file`, `${folder}/trap/tree/hello.txt`);
    const { code, stderr } = await run("cp", "-r", ":/srv/t/tree", `${folder}/trap`);
    assert.equal(code, 1);
    assert.match(stderr, /EEXIST/);
    assert.deepEqual(await readdir(`${folder}/outside`), ["file"]);
    assert.equal(await readFile(`${folder}/outside/file`, "utf8"), "mine");
    assert.equal(await readFile(`${folder}/trap/tree/hello.txt`, "utf8"), "hello");
    assert.ok((await lstat(`${folder}/trap/tree/hello.txt`)).isFile());
  });

  test("cp -r takes a tree to the target", async () => {
    const tree = `${folder}/mine`;
    await mkdir(`${tree}/sub`, { recursive: true });
    await writeFile(`${tree}/sub/script`, "#!/bin/sh\n");
    await chmod(`${tree}/sub/script`, 0o751);
    await utimes(`${tree}/sub/script`, 1_500_000_000, 1_500_000_000);
    await writeFile(`${tree}/empty`, "");
    await symlink("empty", `${tree}/link`);
    const { code, stderr } = await run("cp", "-r", tree, ":/srv/t/up");
    assert.match(stderr, /mine\/link: links cannot be made at the target/);
    assert.match(stderr, /2 files copied/);
    assert.equal(code, 1);
    assert.equal(
      await inTarget("cd /srv/t/up; find . -type f | sort; stat -c '%a %Y %s' mine/sub/script"),
      "./mine/empty\n./mine/sub/script\n751 1500000000 10\n",
    );
    const [line] = lines(await run("cp", `${tree}/sub/script`, ":/srv/t/up/renamed", "--json")).map(
      (text) => JSON.parse(text) as Record<string, unknown>,
    );
    assert.deepEqual([line?.["destination"], line?.["bytes"], line?.["resumedAt"]], ["/srv/t/up/renamed", 10, 0]);
  });

  test("cp without -r takes one file, and both sides must differ", async () => {
    const directory = await run("cp", ":/srv/t/tree", folder);
    assert.match(directory.stderr, /is a directory: -r copies it/);
    assert.equal(directory.code, 1);
    assert.equal((await run("cp", ":/srv/t/huge", ":/srv/t/huge2")).code, 2);
    assert.equal((await run("cp", "a", "b")).code, 2);
    assert.equal((await run("cp", ":/srv/t/missing", folder)).code, 1);
  });

  /** Breaks a copy off by killing it half way. */
  const breakOff = async (direction: "fromAgent" | "toAgent", ...args: readonly string[]): Promise<void> => {
    await using proxy = await StallingProxy.start({ target: agent.address, direction, afterBytes: STALL_BYTES });
    const [program, ...rest] = cliCommand("cp", ...args, "--agent", proxy.address);
    const child = spawn(program, rest, { stdio: "ignore", env: { ...process.env, XDG_STATE_HOME: "/proc/none" } });
    const exited = once(child, "exit");
    assert.equal(await Promise.race([proxy.stalled, exited]), undefined, "it ended before it stalled");
    await new Promise((resolve) => setTimeout(resolve, 300)); // what has arrived is written
    child.kill("SIGKILL");
    await exited;
  };
  const copied = (result: CliRun) => JSON.parse(result.stdout) as { bytes: number; resumedAt: number };

  test("a copy from the target that was killed is continued; one of a source that has changed begins anew", async () => {
    const expected = (await inTarget("sha256sum /srv/t/huge")).split(" ")[0];
    await breakOff("fromAgent", ":/srv/t/huge", `${folder}/huge`);
    const parts = (await readdir(folder)).filter((name) => name.endsWith(".understudy.part"));
    assert.equal(parts.length, 1);
    const partBytes = (await stat(`${folder}/${parts[0]}`)).size;
    assert.ok(partBytes > 10 * MIB && partBytes <= STALL_BYTES, `${partBytes} bytes of part`);
    const resumed = await run("cp", "--resume", "--json", ":/srv/t/huge", `${folder}/huge`);
    assert.deepEqual(copied(resumed).resumedAt, partBytes);
    assert.match(resumed.stderr, /were there already/);
    assert.equal(await sha256(`${folder}/huge`), expected);

    await breakOff("fromAgent", ":/srv/t/huge", `${folder}/huge`);
    await inTarget("printf changed | dd of=/srv/t/huge conv=notrunc status=none");
    const anew = await run("cp", "--resume", "--json", ":/srv/t/huge", `${folder}/huge`);
    assert.equal(copied(anew).resumedAt, 0);
    assert.equal(await sha256(`${folder}/huge`), (await inTarget("sha256sum /srv/t/huge")).split(" ")[0]);
  });

  test("a copy to the target that was killed is continued", async () => {
    await run("cp", ":/srv/t/huge", `${folder}/local`);
    await breakOff("toAgent", `${folder}/local`, ":/srv/t/up/");
    const resumed = await run("cp", "--resume", "--json", `${folder}/local`, ":/srv/t/up/");
    assert.ok(copied(resumed).resumedAt > 10 * MIB, resumed.stdout);
    assert.equal(await sha256(`${folder}/local`), (await inTarget("sha256sum /srv/t/up/local")).split(" ")[0]);
    assert.equal(await inTarget("find /srv/t/up -name '*.part'"), "");
  });

  test("Ctrl-C ends a copy at once and leaves what can be continued", async () => {
    await using proxy = await StallingProxy.start({ target: agent.address, direction: "fromAgent", afterBytes: STALL_BYTES });
    const [program, ...rest] = cliCommand("cp", ":/srv/t/huge", `${folder}/interrupted`, "--agent", proxy.address);
    const child = spawn(program, rest, { stdio: "ignore", env: { ...process.env, XDG_STATE_HOME: "/proc/none" } });
    const exited = once(child, "exit");
    assert.equal(await Promise.race([proxy.stalled, exited]), undefined, "it ended before it stalled");
    child.kill("SIGINT");
    assert.deepEqual(await exited, [130, null]);
    assert.equal((await readdir(folder)).filter((name) => /^interrupted\..*\.understudy\.part$/.test(name)).length, 1);
  });

  test("find goes down a tree that is deeper than what an agent lets be open at once", async () => {
    await inTarget("mkdir /srv/t/deep; cd /srv/t/deep; i=0; while [ $i -lt 1100 ]; do mkdir d; cd d; i=$((i+1)); done");
    const { code, stdout, stderr } = await run("find", "/srv/t/deep");
    assert.deepEqual([code, stdout.split("\n").length - 2], [0, 1100], stderr);
  });

  test("times are there with an agent that tells them, and are said to be missing with others", async () => {
    const without = await run("find", "/srv/t/tree/sub", "--newer", "1h");
    assert.equal(without.code, 1);
    assert.match(without.stderr, /UNDERSTUDY_FULL_FILE_TIMES/);
    await inTarget("touch -d '2020-02-02 02:02:02.5 UTC' /srv/t/binary");
    const env = { UNDERSTUDY_FULL_FILE_TIMES: "true", MIRRORD_AGENT_IDLE_TTL: "60" };
    await using telling = await AgentProcess.start(pod, { port: 61_400, env });
    const at = ["--agent", `${telling.address.host}:${telling.address.port}`];
    assert.match((await runCli("ls", "-l", "/srv/t/binary", ...at)).stdout, / 2020-02-02T02:02:02Z \/srv\/t\/binary$/m);
    assert.deepEqual(lines(await runCli("find", "/srv/t", "--name", "bin*", "--newer", "2020-02-02T02:02:02Z", ...at)), ["/srv/t/binary"]);
    assert.deepEqual(lines(await runCli("find", "/srv/t", "--name", "bin*", "--newer", "2020-02-03", ...at)), []);
    await runCli("cp", ":/srv/t/binary", `${folder}/binary`, ...at);
    assert.equal((await stat(`${folder}/binary`)).mtimeMs, Date.UTC(2020, 1, 2, 2, 2, 2, 500));
  });

  test("the library: as fs/promises, with a real agent", async () => {
    await using session: Session = await agent.connect();
    const { files } = session;
    assert.equal(await files.mkdir("/srv/t/lib/a/b", { recursive: true }), "/srv/t/lib");
    assert.equal(await files.mkdir("/srv/t/lib/a/b", { recursive: true }), undefined);
    await files.writeFile("/srv/t/lib/a/text", "one\n");
    await files.appendFile("/srv/t/lib/a/text", ["two\n", "three\n"]);
    assert.equal(await files.readFile("/srv/t/lib/a/text", "utf8"), "one\ntwo\nthree\n");
    {
      await using file = await files.open("/srv/t/lib/a/text", "r+");
      const { bytesRead, buffer } = await file.read(new Uint8Array(3), { position: 4 });
      assert.deepEqual([bytesRead, Buffer.from(buffer).toString()], [3, "two"]);
      await file.truncate(4);
      await file.utimes(1, 1_700_000_000_123_456_789n);
      assert.equal(await inTarget("stat -c '%X %Y' /srv/t/lib/a/text"), "1 1700000000\n");
      await file.chmod(0o640);
      const stats = await file.stat();
      assert.deepEqual([stats.size, stats.mtimeNs, stats.mtime, stats.mode & 0o777, stats.isFile()], [4, 123_456_789n, null, 0o640, true]);
    }
    assert.deepEqual((await files.readdir("/srv/t/lib", { recursive: true })).sort(), ["a", "a/b", "a/text"]);
    assert.equal(await files.realpath("/srv/t/tree/sub/loop/link"), "/srv/t/tree/hello.txt");
    await assert.rejects(files.realpath("/srv/t/tree/self"), { code: "ELOOP" });
    await assert.rejects(files.access("/srv/t/tree/private/x"), (error) => error instanceof FileError && error.code === "EACCES");
    assert.ok((await files.statfs("/srv")).bsize > 0);
    await pipeline(files.createReadStream("/srv/t/huge"), files.createWriteStream("/srv/t/lib/huge"));
    const [one, two] = (await inTarget("sha256sum < /srv/t/huge; sha256sum < /srv/t/lib/huge")).split("\n");
    assert.equal(one, two);
    await files.rename("/srv/t/lib/huge", "/srv/t/lib/renamed");
    await assert.rejects(files.rmdir("/srv/t/lib"), { code: "ENOTEMPTY", syscall: "rmdir" });
    await files.rm("/srv/t/lib", { recursive: true });
    await files.rm("/srv/t/lib", { force: true });
    await assert.rejects(files.rm("/srv/t/lib"), { code: "ENOENT" });
  });
});
