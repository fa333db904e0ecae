// Targets that others wrote, asked by curl: each answers through the agent as it does without, while a session steals some of its requests and another gets copies of all.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4 } from "../pod/pod.ts";
import {
  buildGo,
  goSpeaksHttp2,
  PeerFolder,
  peerPorts,
  type Printed,
  runPeer,
  startGo,
  startNginx,
  startNode,
  startPython,
  toolsSkipReason,
} from "../peers/peerPrograms.ts";
import { Copies, expectedLine, mirrorDescribed, stealDescribed, users } from "../peers/recordingSession.ts";

/** Visits of curl to one target, with one run of the program each. */
interface Visit {
  readonly name: string;
  readonly paths: readonly string[];
  readonly options?: readonly string[];
  readonly method?: string;
  readonly body?: Uint8Array;
}

const env = { MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL: "false" };
const body = randomBytes(300_000);
const largeBody = randomBytes(4_000_000);

async function curl(port: number, user: string, { paths, options = [] }: Visit): Promise<Printed> {
  const report = "\nconnections %{num_connects} version %{http_version} sent %{size_upload}\n";
  // A target that speaks HTTP/1.0 never says 100.
  const waits = ["--max-time", "20", "--expect100-timeout", "0.2"];
  const general = ["--silent", "--show-error", "--include", "--raw", ...waits, "--header", `X-User: ${user}`, "--write-out", report];
  const { code, stdout, stderr } = await runPeer(
    "curl",
    ...general,
    ...options,
    ...paths.map((path) => `http://${podIpv4}:${port}${path}`),
  );
  return { code, stderr, stdout: withoutChance(stdout) };
}

/** An answer without what differs from one to the next: dates, boundaries of parts, and what is too long to print. */
function withoutChance(text: string): string {
  const same = text.replaceAll(/^date: .*\r$/gim, "date: now\r").replaceAll(/\b\d{20}\b/g, "boundary");
  return same.length < 20_000 ? same : `${same.slice(0, 500)} … ${createHash("sha256").update(same, "latin1").digest("hex")}`;
}

function requestsOf({ paths, method = "GET", body: sent }: Visit): string[] {
  return paths.map((path) => expectedLine(method, path, sent));
}

function plainVisits(path: string): Visit[] {
  return [
    { name: "connections that are kept", paths: [path, path, path] },
    { name: "HTTP/1.0", paths: [path], options: ["--http1.0"] },
    { name: "HTTP/1.0 with keep-alive", paths: [path, path], options: ["--http1.0", "--header", "Connection: keep-alive"] },
    { name: "a closed connection", paths: [path], options: ["--header", "Connection: close"] },
    { name: "an offer of HTTP/2", paths: [path], options: ["--http2"] },
    { name: "HEAD", paths: [path, path], options: ["--head"], method: "HEAD" },
    { name: "compression", paths: [path], options: ["--header", "Accept-Encoding: gzip, deflate"] },
    { name: "a header in odd spelling", paths: [path], options: ["--header", "x-oDD:   spaced \t", "--header", "X-Empty;"] },
  ];
}

function uploads(folder: PeerFolder, path: string): Visit[] {
  const file = `@${folder.file("body")}`;
  const large = `@${folder.file("largeBody")}`;
  return [
    { name: "an upload", paths: [path], options: ["--header", "Expect:", "--data-binary", file], method: "POST", body },
    { name: "two uploads", paths: [path, path], options: ["--data-binary", file], method: "POST", body },
    {
      name: "an upload that waits for 100",
      paths: [path],
      options: ["--header", "Expect: 100-continue", "--data-binary", file],
      method: "POST",
      body,
    },
    { name: "a large upload", paths: [path], options: ["--data-binary", large], method: "POST", body: largeBody },
    {
      name: "an upload in chunks",
      paths: [path],
      options: ["--header", "Transfer-Encoding: chunked", "--data-binary", file],
      method: "POST",
      body,
    },
    {
      name: "PUT in chunks",
      paths: [path],
      options: ["--header", "Transfer-Encoding: chunked", "--upload-file", file.slice(1)],
      method: "PUT",
      body,
    },
  ];
}

/** Asks a target that nobody subscribed to. Some versions of curl lose a stream of HTTP/2 now and then by themselves: that is nothing to compare with. */
async function curlAlone(port: number, visit: Visit): Promise<Printed> {
  for (let tries = 1; tries < 3; tries++) {
    const printed = await curl(port, users.passed, visit);
    if (printed.code === 0) return printed;
  }
  return await curl(port, users.passed, visit);
}

/** Asks without subscriptions, then with, then after them. */
async function compare(agent: AgentProcess, port: number, visits: readonly Visit[]): Promise<void> {
  const direct = new Map<Visit, Printed>();
  for (const visit of visits) direct.set(visit, await curlAlone(port, visit));
  await using stealing = await agent.connect();
  await using watching = await agent.connect();
  const copies = new Copies();
  const subscriptions = [await stealDescribed(stealing, port), await mirrorDescribed(watching, port, copies)];
  for (const visit of visits) {
    const { name } = visit;
    assert.deepEqual(await curl(port, users.passed, visit), direct.get(visit), `passed: ${name}`);
    assert.deepEqual((await copies.take(visit.paths.length)).toSorted(), requestsOf(visit).toSorted(), `mirrored: ${name}`);
    const { code, stdout, stderr } = await curl(port, users.stolen, visit);
    assert.deepEqual([code, stderr], [0, ""], `stolen: ${name}`);
    const answers = stdout.match(/^client .*$/gm) ?? [];
    if (visit.method === "HEAD") assert.match(stdout, /^HTTP\/(1\.1 200 OK|2 200 )\r\n/, `stolen: ${name}`);
    else
      assert.deepEqual(
        answers,
        requestsOf(visit).map((line) => `client ${line}`),
        `stolen: ${name}`,
      );
    await copies.take(visit.paths.length);
  }
  await Promise.all(subscriptions.map((one) => one.close()));
  const [first] = visits;
  assert.ok(first !== undefined);
  assert.deepEqual(await curl(port, users.passed, first), direct.get(first), "afterwards");
  assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING"]);
}

async function makeBodies(folder: PeerFolder): Promise<void> {
  await writeFile(folder.file("body"), body);
  await writeFile(folder.file("largeBody"), largeBody);
}

async function startNginxWithFiles(pod: Pod, folder: PeerFolder): Promise<void> {
  await mkdir(folder.file("files"));
  await writeFile(folder.file("files", "page.txt"), "a page of text\n".repeat(500));
  await writeFile(folder.file("files", "large"), randomBytes(64 * 1024 * 1024));
  await makeBodies(folder);
  await startNginx(pod, folder);
}

suite("curl and a target through the agent", { skip: toolsSkipReason("curl") }, () => {
  test("nginx: files, parts of them, compression, and what is behind it", { skip: toolsSkipReason("nginx") }, async () => {
    await using folder = await PeerFolder.make();
    await using pod = await Pod.start();
    await startNginxWithFiles(pod, folder);
    await using agent = await AgentProcess.start(pod, { env });
    await compare(agent, peerPorts.nginx, [
      ...plainVisits("/page.txt"),
      ...plainVisits("/node/text"),
      ...uploads(folder, "/node/echo"),
      { name: "64 MiB", paths: ["/large"] },
      { name: "a range", paths: ["/large"], options: ["--range", "1000-200000"] },
      { name: "ranges", paths: ["/page.txt"], options: ["--range", "0-9,100-119"] },
      { name: "a range that is not there", paths: ["/page.txt"], options: ["--range", "9999999-"] },
      { name: "a page that is not newer", paths: ["/page.txt", "/page.txt"], options: ["--time-cond", "tomorrow"] },
      { name: "a missing page", paths: ["/missing", "/refused"] },
      // How nginx cuts it in chunks is a matter of moments.
      { name: "a stream behind it", paths: ["/node/stream", "/node/stream"], options: ["--no-raw"] },
      { name: "nothing behind it", paths: ["/node/nothing", "/node/unchanged"] },
      {
        name: "an early answer behind it",
        paths: ["/node/early"],
        options: ["--data-binary", "short"],
        method: "POST",
        body: Buffer.from("short"),
      },
    ]);
  });

  test("nginx: the same over HTTP/2 with prior knowledge", { skip: toolsSkipReason("nginx") }, async () => {
    await using folder = await PeerFolder.make();
    await using pod = await Pod.start();
    await startNginxWithFiles(pod, folder);
    await using agent = await AgentProcess.start(pod, { env });
    const visits: Visit[] = [
      // One at a time: a curl that keeps such a connection fails with some versions, also without the agent.
      ...["/page.txt", "/node/text", "/node/nothing", "/node/unchanged", "/missing"].map((path) => ({ name: path, paths: [path] })),
      { name: "HEAD", paths: ["/page.txt"], options: ["--head"], method: "HEAD" },
      { name: "compression", paths: ["/page.txt"], options: ["--header", "Accept-Encoding: gzip"] },
      { name: "64 MiB", paths: ["/large"] },
      { name: "ranges", paths: ["/page.txt"], options: ["--range", "0-9,100-119"] },
      { name: "a stream behind it", paths: ["/node/stream"] },
      {
        name: "an upload",
        paths: ["/node/echo"],
        options: ["--data-binary", `@${folder.file("largeBody")}`],
        method: "POST",
        body: largeBody,
      },
    ];
    const overHttp2 = visits.map((visit) => ({ ...visit, options: ["--http2-prior-knowledge", ...(visit.options ?? [])] }));
    await compare(agent, peerPorts.nginxHttp2, overHttp2);
  });

  test("Node", async () => {
    await using folder = await PeerFolder.make();
    await using pod = await Pod.start();
    await makeBodies(folder);
    await startNode(pod, peerPorts.node);
    await using agent = await AgentProcess.start(pod, { env });
    await compare(agent, peerPorts.node, [
      ...plainVisits("/text"),
      ...uploads(folder, "/echo"),
      { name: "streams", paths: ["/stream", "/stream"] },
      { name: "trailers", paths: ["/trailers"], options: ["--header", "TE: trailers"] },
      { name: "early hints", paths: ["/early-hints", "/early-hints"] },
      { name: "answers without a body", paths: ["/nothing", "/unchanged", "/text"] },
    ]);
  });

  test("Python, with connections that end after each answer and with kept ones", { skip: toolsSkipReason("python3") }, async () => {
    await using folder = await PeerFolder.make();
    await using pod = await Pod.start();
    await makeBodies(folder);
    await startPython(pod);
    for (const port of [peerPorts.pythonHttp10, peerPorts.pythonHttp11]) {
      await using agent = await AgentProcess.start(pod, { env });
      await compare(agent, port, [
        ...plainVisits("/text"),
        ...uploads(folder, "/echo"),
        { name: "an answer that ends with its connection", paths: ["/until-close", "/until-close"] },
        { name: "no change", paths: ["/unchanged", "/text"] },
      ]);
    }
  });

  test("Go", { skip: toolsSkipReason("go") }, async () => {
    await using folder = await PeerFolder.make();
    await using pod = await Pod.start();
    await makeBodies(folder);
    await startGo(pod, await buildGo(folder));
    await using agent = await AgentProcess.start(pod, { env });
    await compare(agent, peerPorts.go, [
      ...plainVisits("/text"),
      ...uploads(folder, "/echo"),
      { name: "streams", paths: ["/stream", "/stream"] },
      { name: "trailers", paths: ["/trailers", "/trailers"] },
      { name: "no change", paths: ["/unchanged", "/text"] },
    ]);
  });

  // A library without it is nothing to test, not a test that is missing.
  if (goSpeaksHttp2()) {
    test("Go: HTTP/2 with prior knowledge", { skip: toolsSkipReason("go") }, async () => {
      await using folder = await PeerFolder.make();
      await using pod = await Pod.start();
      await makeBodies(folder);
      await startGo(pod, await buildGo(folder));
      const prior = ["--http2-prior-knowledge"];
      const visits: Visit[] = [
        ...["/text", "/stream", "/trailers", "/unchanged"].map((path) => ({ name: path, paths: [path], options: prior })),
        { name: "HEAD", paths: ["/text"], options: [...prior, "--head"], method: "HEAD" },
        {
          name: "an upload",
          paths: ["/echo"],
          options: [...prior, "--data-binary", `@${folder.file("largeBody")}`],
          method: "POST",
          body: largeBody,
        },
      ];
      await using agent = await AgentProcess.start(pod, { env });
      await compare(agent, peerPorts.go, visits);
    });
  }
});
