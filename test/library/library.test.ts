// The client library against agents in a pod: this repository's, and the reference agent where its command line is named by REFERENCE_AGENT, with `{port}` for the port, such as
// REFERENCE_AGENT='/opt/mirrord-agent -l {port} -t 60 ephemeral'.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { LastingSession, openSession, outgoing, type Session } from "@understudy/client";
import { AgentProcess, type AgentProcessOptions } from "../pod/agentProcess.ts";
import { get, Pod, podIpv4, podSkipReason, targetFile, targetSaw, targetVariable } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { as, wantedBy } from "../pod/stealing.ts";

const { http, echo } = targetPorts;
const reference = process.env["REFERENCE_AGENT"];
const agents: [string, AgentProcessOptions][] = [["this repository's agent", {}]];
if (reference !== undefined) agents.push(["the reference agent", { command: `exec ${reference}` }]);

for (const [name, options] of agents) {
  suite(`the library with ${name}`, { skip: podSkipReason() }, () => {
    test("environment, files and names", async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod, options);
      await using session = await agent.connect();
      assert.equal((await session.env({ select: [targetVariable.name] })).get(targetVariable.name), targetVariable.value);
      const addresses = await session.lookup("localhost", "ipv4Only");
      assert.deepEqual(new Set(addresses.map(({ ip }) => ip)), new Set(["127.0.0.1"]));
      await using folder = await session.files.open(targetFile.path);
      assert.equal((await folder.stat()).size, targetFile.text.length);
      assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
      await session.files.writeFile("/srv/understudy/new", "written");
      await session.files.rename("/srv/understudy/new", "/srv/understudy/renamed");
      const names = (await session.files.readdir("/srv/understudy")).toSorted();
      assert.deepEqual(names, ["big", "renamed", "where.txt"]);
      await session.files.unlink("/srv/understudy/renamed");
      await assert.rejects(session.files.readFile("/srv/understudy/renamed"), { code: "ENOENT" });
    });

    test("connections, also by an HTTP agent and a name", async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod, options);
      await using session = await agent.connect();
      const socket = await session.connectTcp({ ip: "127.0.0.1", port: echo });
      socket.end("echo");
      assert.equal(await text(socket), "echo");
      const byName = await outgoing.connectHost(session, { host: "localhost", port: echo });
      byName.end("by name");
      assert.equal(await text(byName), "by name");
      await assert.rejects(session.connectTcp({ ip: "127.0.0.1", port: 1 }), { code: "ECONNREFUSED" });
    });

    test("stolen and mirrored requests in the web platform's forms", async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod, options);
      await using session = await agent.connect();
      await using watching = await agent.connect();
      const seen = Promise.withResolvers<string>();
      await watching.mirror(http, { filter: wantedBy("somebody"), onRequest: ({ uri }) => seen.resolve(uri) });
      await using stolen = await session.steal(http, wantedBy("me"), async (request) =>
        Response.json({ path: new URL(request.url).pathname }),
      );
      assert.deepEqual(JSON.parse((await get("/mine", { headers: as("me") })).body), { path: "/mine" });
      assert.equal(targetSaw(await get("/theirs", { headers: as("somebody") })).path, "/theirs");
      assert.equal(await seen.promise, "/theirs");
      await stolen.close();
      assert.equal(targetSaw(await get("/mine", { headers: as("me") })).path, "/mine");
    });

    test("a raw port", async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod, options);
      await using session = await agent.connect();
      await session.steal(echo, { onConnection: ({ stream }) => void stream.end("from the client") });
      const peer = connect({ host: podIpv4, port: echo });
      assert.equal(await text(peer), "from the client");
    });

    test("a lasting session is back after its connection broke, with its port", async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod, { ...options, env: { MIRRORD_AGENT_IDLE_TTL: "2" } });
      const restored = Promise.withResolvers<void>();
      const sockets: Socket[] = [];
      const open = async (): Promise<Session> => {
        const socket = connect(agent.address);
        sockets.push(socket);
        await once(socket, "connect");
        return await openSession(socket);
      };
      await using session = await LastingSession.open(open, { onRestored: () => restored.resolve(), firstDelayMs: 10 });
      await session.steal(http, { filter: wantedBy("me"), onRequest: () => ({ status: 204 }) });
      assert.equal((await get("/", { headers: as("me") })).status, 204);
      sockets[0]?.resetAndDestroy();
      await restored.promise;
      assert.equal((await get("/", { headers: as("me") })).status, 204);
    });
  });
}
