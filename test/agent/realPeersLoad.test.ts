// Load from programs that others wrote: no request is lost or answered wrongly while sessions steal some of them, come, and go.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Session } from "@understudy/client";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4 } from "../pod/pod.ts";
import { as, wantedBy } from "../pod/stealing.ts";
import { PeerFolder, peerPorts, type Printed, runPeer, startNginx, startNode, toolsSkipReason } from "../peers/peerPrograms.ts";
import { users } from "../peers/recordingSession.ts";

const CONNECTIONS = 32;

const env = { MIRRORD_AGENT_IDLE_TTL: "60" };

async function wrk(port: number, path: string): Promise<Printed> {
  const script = fileURLToPath(new URL("../peers/load.lua", import.meta.url));
  return await runPeer("wrk", "-t2", `-c${CONNECTIONS}`, "-d2s", "--timeout", "5s", "-s", script, `http://${podIpv4}:${port}${path}`);
}

function assertClean({ code, stdout, stderr }: Printed): void {
  assert.deepEqual([code, stderr], [0, ""], stdout);
  // wrk speaks of errors only when there are some.
  assert.doesNotMatch(stdout, /Socket errors|Non-2xx/);
  const requests = Number(/^\s*(\d+) requests in/m.exec(stdout)?.[1]);
  assert.ok(requests > 500, stdout);
}

/** Steals and gives back the port by turns until the load is over; returns how many requests it answered, and how often it came. */
async function comeAndGo(
  session: Session,
  port: number,
  load: Promise<unknown>,
): Promise<{ readonly answered: number; readonly times: number }> {
  let answered = 0;
  let times = 0;
  const over = new AbortController();
  void load.finally(() => over.abort()).catch(() => undefined);
  const rest = (ms: number): Promise<void> => sleep(ms, undefined, { signal: over.signal }).catch(() => undefined);
  const body = Buffer.from("client\n");
  while (!over.signal.aborted) {
    const subscription = await session.steal(port, {
      filter: wantedBy(users.stolen),
      onRequest: () => {
        answered += 1;
        return { status: 200, body };
      },
    });
    times += 1;
    await rest(60);
    await subscription.close();
    await rest(20);
  }
  return { answered, times };
}

suite("load", () => {
  test("wrk has no error while a session steals, gives back, and steals again", { skip: toolsSkipReason("wrk", "nginx") }, async () => {
    await using folder = await PeerFolder.make();
    await using pod = await Pod.start();
    await mkdir(folder.file("files"));
    await writeFile(folder.file("files", "page.txt"), "a page\n");
    await startNginx(pod, folder);
    await startNode(pod, peerPorts.node);
    await using agent = await AgentProcess.start(pod, { env });
    await using session = await agent.connect();
    // Keeps the ports redirected, so that every connection is the agent's whatever the session does.
    await using watching = await agent.connect();
    for (const [port, path] of [
      [peerPorts.nginx, "/page.txt"],
      [peerPorts.node, "/text"],
    ] as const) {
      await watching.steal(port, { filter: wantedBy("nobody"), onRequest: () => ({ status: 500 }) });
      const load = wrk(port, path);
      const { answered, times } = await comeAndGo(session, port, load);
      assertClean(await load);
      assert.ok(answered > 20, String(answered));
      assert.ok(times >= 5, String(times));
    }
    await session.ping();
    assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING"]);
  });

  test("wrk with new connections has no error while the port is redirected and given back", { skip: toolsSkipReason("wrk") }, async () => {
    await using pod = await Pod.start();
    await startNode(pod, peerPorts.node);
    await using agent = await AgentProcess.start(pod, { env });
    await using session = await agent.connect();
    const load = wrk(peerPorts.node, "/close");
    const { answered, times } = await comeAndGo(session, peerPorts.node, load);
    assertClean(await load);
    assert.ok(answered > 20, String(answered));
    assert.ok(times >= 5, String(times));
    assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING"]);
  });

  test(
    "h2load has no failed stream over HTTP/1 and HTTP/2, passed, stolen, and copied",
    { skip: toolsSkipReason("h2load", "nginx") },
    async () => {
      await using folder = await PeerFolder.make();
      await using pod = await Pod.start();
      await mkdir(folder.file("files"));
      await writeFile(folder.file("files", "page.txt"), "a page of text\n".repeat(2000));
      await startNginx(pod, folder);
      await using agent = await AgentProcess.start(pod, { env });
      await using stealing = await agent.connect();
      await using watching = await agent.connect();
      for (const [port, options] of [
        [peerPorts.nginx, ["--h1", "-c16", "-m1"]],
        [peerPorts.nginxHttp2, ["-c8", "-m16"]],
      ] as const) {
        await stealing.steal(port, { filter: wantedBy(users.stolen), onRequest: () => ({ status: 200, body: Buffer.alloc(1000) }) });
        let copied = 0;
        await watching.mirror(port, { onRequest: () => void (copied += 1) });
        for (const user of [users.passed, users.stolen]) {
          const header = Object.entries(as(user)).flat().join(": ");
          const { stdout } = await runPeer("h2load", ...options, "-n2000", "-H", header, `http://${podIpv4}:${port}/page.txt`);
          assert.match(stdout, /2000 succeeded, 0 failed, 0 errored, 0 timeout/);
          assert.match(stdout, /status codes: 2000 2xx/);
        }
        assert.ok(copied > 1000, String(copied));
      }
      assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING"]);
    },
  );
});
