// What a client sees through the agent: the environment, files, names and network of the target, not of the agent or of the machine.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import { buffer, text } from "node:stream/consumers";
import { AgentError } from "@understudy/client";
import { AgentProcess } from "../pod/agentProcess.ts";
import { PingWatch } from "../pod/pingWatch.ts";
import { outsideIpv4, outsideIpv6, Pod, podIpv4, podIpv6, podSkipReason, targetFile, targetHost, targetVariable } from "../pod/pod.ts";
import { nameServer, targetPorts } from "../pod/ports.ts";

const { name: variable, value } = targetVariable;

const ECONNREFUSED = 111;
const ENOENT = 2;

function isRefusal(errno: number): (error: unknown) => boolean {
  return (error) => error instanceof AgentError && error.errno === errno;
}

suite("a client in ephemeral mode", { skip: podSkipReason() }, () => {
  test("gets the target's environment, and the agent's where the target has no such variable", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { [variable]: "agent", UNDERSTUDY_AGENT_ONLY: "copied" } });
    await using session = await agent.connect();
    const all = await session.env();
    assert.equal(all.get(variable), value);
    assert.equal(all.get("UNDERSTUDY_AGENT_ONLY"), "copied");
    assert.equal(all.get("PATH"), undefined);
    assert.deepEqual([...(await session.env({ select: ["UNDERSTUDY_*"], filter: ["*_ONLY"] }))], [[variable, value]]);
  });

  test("reads, lists and writes the target's files, which the machine does not have", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const { files } = session;
    await assert.rejects(access(targetFile.path));
    assert.equal(await files.readFile(targetFile.path, "utf8"), targetFile.text);
    const names: string[] = [];
    for await (const { name } of files.readDir("/srv/understudy")) names.push(name);
    assert.ok(names.includes("where.txt"));
    assert.match(await files.readFile("/etc/hosts", "utf8"), new RegExp(targetHost.name));
    await assert.rejects(files.open("/srv/nothing"), isRefusal(ENOENT));

    await files.writeFile("/srv/understudy/written", "by the client");
    assert.equal(await files.readFile("/srv/understudy/written", "utf8"), "by the client");
    await assert.rejects(access("/srv/understudy/written"));
  });

  test("gets a large file unharmed while it asks for other things", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const { files } = session;
    const written = Buffer.from(Array.from({ length: 4_000_000 }, (_, i) => (i * 7919) % 251));
    const fd = await files.open("/srv/understudy/large", "w+");
    await fd.writeFile(written);
    await using _pings = new PingWatch(session);
    for (let at = 0; at < written.length; at += 1_000_000) {
      const read = await files.readLimited(fd, 1_000_000, at);
      assert.ok(Buffer.from(read).equals(written.subarray(at, at + read.length)));
    }
  });

  test("looks names up by the target's hosts file and its resolver", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const addresses = async (name: string): Promise<string[]> => (await session.lookup(name, "ipv4Only")).map(({ ip }) => ip);
    assert.deepEqual(await addresses(targetHost.name), [targetHost.address]);
    assert.deepEqual(await addresses("anything.understudy.test"), [nameServer.answer]);
    await assert.rejects(session.lookup("missing.understudy.test"), AgentError);
  });

  test("connects inside the pod and to its peers, over TCP and UDP and both families", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const payload = Buffer.alloc(1_000_000, "bytes that come back ");
    for (const ip of ["127.0.0.1", "::1", podIpv4, podIpv6]) {
      const connection = await session.connectTcp({ ip, port: targetPorts.echo });
      connection.end(payload);
      assert.ok((await buffer(connection)).equals(payload), ip);

      using datagrams = await session.connectUdp({ ip, port: targetPorts.echo });
      await datagrams.send(Buffer.from("one datagram"));
      let first: Uint8Array | undefined;
      for await (first of datagrams) break;
      assert.equal(Buffer.from(first ?? []).toString(), "one datagram");
    }
    for (const [ip, from] of [
      [outsideIpv4, podIpv4],
      [outsideIpv6, podIpv6],
    ] as const) {
      const server = createServer();
      server.listen(0, ip);
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const arrived = once(server, "connection") as Promise<[Socket]>;
      const connection = await session.connectTcp({ ip, port });
      const [socket] = await arrived;
      assert.equal(socket.remoteAddress, from);
      socket.end("from outside");
      assert.equal(await text(connection), "from outside");
      connection.destroy();
      server.close();

      const peer = createSocket(ip.includes(":") ? "udp6" : "udp4").bind(0, ip);
      await once(peer, "listening");
      using datagrams = await session.connectUdp({ ip, port: peer.address().port });
      const came = once(peer, "message") as Promise<[Buffer, { address: string }]>;
      await datagrams.send(Buffer.from("to outside"));
      const [message, { address }] = await came;
      assert.equal(message.toString(), "to outside");
      assert.equal(address, from);
      peer.close();
    }
  });

  test("is told the kernel's error when a connection is refused, and the log holds none of it", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await assert.rejects(session.connectTcp({ ip: "127.0.0.1", port: 9 }), isRefusal(ECONNREFUSED));
    await assert.rejects(session.files.open("relative/path"), AgentError);
    await assert.rejects(session.files.open("/srv/../../../../nothing"), isRefusal(ENOENT));
    await session.ping();
    assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING"]);
  });
});

suite("a client in targetless mode", { skip: podSkipReason() }, () => {
  test("gets the agent's own environment and files, and cannot steal", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { mode: ["targetless"], env: { [variable]: "agent" } });
    await using session = await agent.connect();
    assert.equal((await session.env()).get(variable), "agent");
    await assert.rejects(session.files.open(targetFile.path), isRefusal(ENOENT));
    const connection = await session.connectTcp({ ip: podIpv4, port: targetPorts.echo });
    connection.end("echo");
    assert.equal(await text(connection), "echo");
    await assert.rejects(session.steal(targetPorts.http, {}), /not available in the targetless mode/);
  });
});
