// Peers that others wrote, with their own habits in keeping connections, in uploads and in ends: each is answered through the agent as it is without, by every target.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4 } from "../pod/pod.ts";
import {
  buildGo,
  nodePeer,
  PeerFolder,
  peerPorts,
  pythonPeer,
  runPeer,
  startGo,
  startNginx,
  startNode,
  startPython,
  toolsSkipReason,
} from "../peers/peerPrograms.ts";
import { Copies, expectedLine, mirrorDescribed, stealDescribed, users } from "../peers/recordingSession.ts";

const env = { MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL: "false", MIRRORD_AGENT_IDLE_TTL: "60" };

/** What a peer prints, a line a request; `port` is the target's, `user` decides whose the requests are. */
type Peer = (port: number, user: string) => Promise<string[]>;

/** Lets a peer visit without subscriptions, then with; returns what it printed when its requests were stolen, and copies of those that were not. */
async function visited(
  agent: AgentProcess,
  port: number,
  requests: number,
  peer: Peer,
): Promise<{ readonly stolen: string; readonly copies: string }> {
  const direct = await peer(port, users.passed);
  await using stealing = await agent.connect();
  await using watching = await agent.connect();
  const copies = new Copies();
  const subscriptions = [await stealDescribed(stealing, port), await mirrorDescribed(watching, port, copies)];
  assert.deepEqual(await peer(port, users.passed), direct);
  const copied = await copies.take(requests);
  const stolen = await peer(port, users.stolen);
  await Promise.all(subscriptions.map((one) => one.close()));
  assert.deepEqual(await peer(port, users.passed), direct, "afterwards");
  assertStolen(stolen, direct.length);
  assert.ok(copied.length >= requests, `${copied.length} copies of ${requests}`);
  return { stolen: stolen.join("\n"), copies: copied.join("\n") };
}

function program(command: string, ...parameters: readonly string[]): Promise<string[]> {
  return runPeer(command, ...parameters).then(({ code, stdout, stderr }) => {
    assert.deepEqual([code, stderr], [0, ""], stdout);
    return stdout.trimEnd().split("\n");
  });
}

/** Each line of a client whose requests were stolen says so, but for answers without a body. */
function assertStolen(lines: readonly string[], count: number): void {
  assert.equal(lines.length, count);
  for (const line of lines) if (!/^(head|HEAD)/.test(line)) assert.match(line, /client (GET|POST|PUT|DELETE) \//);
}

suite("peers that others wrote", () => {
  test("Python's clients, at Python's and at Node's target", { skip: toolsSkipReason("python3") }, async () => {
    await using pod = await Pod.start();
    await startPython(pod);
    await startNode(pod, peerPorts.node);
    await using agent = await AgentProcess.start(pod, { env });
    const python: Peer = (port, user) => program("python3", pythonPeer, "visit", podIpv4, String(port), user);
    for (const port of [peerPorts.pythonHttp10, peerPorts.pythonHttp11, peerPorts.node]) {
      const { stolen, copies } = await visited(agent, port, 10, python);
      for (const line of [
        expectedLine("POST", "/upload", Buffer.alloc(300_000)),
        expectedLine("POST", "/chunks", Buffer.from(`one${"two".repeat(50_000)}`)),
        expectedLine("POST", "/url", Buffer.from("a=1&b=2")),
      ]) {
        assert.ok(stolen.includes(`client ${line}`), line);
        assert.ok(copies.includes(line), line);
      }
    }
  });

  test("Go's client, at Go's and at Node's target and at nginx", { skip: toolsSkipReason("go", "nginx") }, async () => {
    await using folder = await PeerFolder.make();
    await using pod = await Pod.start();
    const go = await buildGo(folder);
    await startGo(pod, go);
    await startNginx(pod, folder);
    await startNode(pod, peerPorts.node);
    await using agent = await AgentProcess.start(pod, { env });
    for (const [port, path] of [
      [peerPorts.go, ""],
      [peerPorts.node, ""],
      [peerPorts.nginx, "/node"],
    ] as const) {
      // Those before the large uploads that are answered early: behind these a session that only listens may miss some.
      const visits = 10;
      const { stolen, copies } = await visited(agent, port, visits, (_port, user) =>
        program(go, "visit", `http://${podIpv4}:${port}${path}`, user),
      );
      for (const line of [
        expectedLine("POST", `${path}/echo`, Buffer.alloc(300_000)),
        expectedLine("PUT", `${path}/echo`, Buffer.alloc(200_000)),
        expectedLine("POST", `${path}/echo`, Buffer.from("onetwo")),
      ]) {
        assert.ok(stolen.includes(`client ${line}`), line);
        assert.ok(copies.includes(line), line);
      }
    }
  });

  test("Node's clients, at Node's target", { skip: toolsSkipReason() }, async () => {
    await using pod = await Pod.start();
    await startNode(pod, peerPorts.node);
    await using agent = await AgentProcess.start(pod, { env });
    await visited(agent, peerPorts.node, 26, (port, user) => program(process.execPath, nodePeer, podIpv4, String(port), user));
  });

  test("programs that end their direction and wait, and servers that speak first", { skip: toolsSkipReason("python3") }, async () => {
    await using pod = await Pod.start();
    await startPython(pod);
    await using agent = await AgentProcess.start(pod, { env });
    const raw = (): Promise<string[]> => program("python3", pythonPeer, "raw", podIpv4, String(peerPorts.echo), String(peerPorts.mail));
    const direct = await raw();
    assert.equal(direct.length, 8);
    assert.match(direct[3] ?? "", /^banner .* at once$/);
    await using stealing = await agent.connect();
    await using watching = await agent.connect();
    const mirrored: Promise<string>[] = [];
    for (const port of [peerPorts.echo, peerPorts.mail]) {
      await stealDescribed(stealing, port);
      await watching.mirror(port, { onConnection: ({ stream }) => void mirrored.push(digestOf(stream)) });
    }
    // The banner comes at once here, too: it says that this is no HTTP, and nobody waits for the peer to speak.
    assert.deepEqual(await raw(), direct);
    const much = Buffer.alloc(256 * 8000, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
    const expected = ["\0not HTTP\n", much, "", "HELO me\r\nNOOP\r\nQUIT\r\n"].map((sent) =>
      createHash("sha256").update(sent).digest("hex"),
    );
    assert.deepEqual((await Promise.all(mirrored)).toSorted(), expected.toSorted());
  });

  test("programs on plain sockets whose connections are stolen", { skip: toolsSkipReason("python3") }, async () => {
    await using pod = await Pod.start();
    await startPython(pod);
    await using agent = await AgentProcess.start(pod, { env });
    await using session = await agent.connect();
    await session.steal(peerPorts.echo, {
      onConnection: ({ stream }) => void digestOf(stream).then((digest) => stream.end(`client ${digest}`)),
    });
    await session.steal(peerPorts.mail, {
      onConnection: ({ stream }) => {
        stream.write("220 client ready\r\n");
        stream.on("data", (line: Buffer) => stream.write(`299 ${line.toString()}`));
        stream.on("data", (line: Buffer) => line.includes("QUIT") && stream.end());
      },
    });
    const printed = await program("python3", pythonPeer, "raw", podIpv4, String(peerPorts.echo), String(peerPorts.mail));
    const digest = createHash("sha256").update("\0not HTTP\n").digest("hex");
    assert.equal(printed[0], `echo b'client ${digest}'`);
    assert.match(printed[2] ?? "", /^nothing b'client e3b0c442/);
    assert.deepEqual(printed.slice(3), [
      String.raw`banner b'220 client ready\r\n' late`,
      String.raw`mail b'299 HELO me\r\n'`,
      String.raw`mail b'299 NOOP\r\n'`,
      String.raw`mail b'299 QUIT\r\n'`,
      "end b''",
    ]);
  });
});

async function digestOf(stream: NodeJS.ReadableStream): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}
