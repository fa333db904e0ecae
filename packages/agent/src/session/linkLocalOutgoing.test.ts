// Link-local IPv6 peers, in a network namespace whose interfaces the test makes itself.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

const script = `
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentUnderTest } from ${JSON.stringify(new URL("sessionFixture.ts", import.meta.url).href)};

const server = createServer((socket) => socket.resume()).listen(0, "fe80::1%one");
await once(server, "listening");
const { port } = server.address();
const udp = createSocket("udp6").bind(port, "fe80::1%one");
await once(udp, "listening");
const heard = once(udp, "message");
await using agent = await AgentUnderTest.start({ connectTimeoutMs: 1000 });
using client = await agent.client();
const connect = async (kind) => {
  const remoteAddress = { kind: "ip", value: { ip: "fe80::1", port } };
  client.send({ kind, value: { kind: "connectV2", value: { uid: 1n, remoteAddress } } });
  return (await client.next(kind)).value.value.connect;
};
const tcp = await connect("tcpOutgoing");
const datagrams = await connect("udpOutgoing");
client.send({ kind: "udpOutgoing", value: { kind: "write", value: { connectionId: 0, bytes: Buffer.from("here") } } });
const [text] = await heard;
execFileSync("ip", ["link", "set", "two", "up"]);
// The system says a moment later that it runs.
while (networkInterfaces().two === undefined) await sleep(20);
const doubtful = await connect("tcpOutgoing");
console.log(JSON.stringify({
  tcp: tcp.value.remoteAddress.value.ip, local: tcp.value.localAddress.value.ip,
  udp: datagrams.value.remoteAddress.value.ip, text: text.toString(), doubtful: doubtful.value.value.rawOsError,
}));
server.close();
udp.close();
`;

/** Two interfaces with link-local addresses, the second of which is down. */
const setUp = [
  "ip link set lo up",
  ...["one", "two"].flatMap((name) => [
    `ip link add ${name} type veth peer name to-${name}`,
    `ip link set ${name} addrgenmode none`,
    `ip link set to-${name} addrgenmode none up`,
  ]),
  "ip addr add fe80::1/64 dev one nodad",
  "ip link set one up",
  "ip addr add fe80::2/64 dev two nodad",
].join(" && ");

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root for a network namespace";
  const probe = spawnSync("unshare", ["--net", "sh", "-c", setUp], { encoding: "utf8" });
  return probe.status === 0 ? undefined : `no interfaces can be made: ${probe.stderr ?? probe.error?.message}`;
}

const reason = missing();

test(
  "a link-local peer is reached where the target has one such interface, and refused where it could be either of two",
  { skip: process.env["CI"] === undefined && reason },
  async () => {
    const node = [process.execPath, "--conditions=source", "--input-type=module", "-e", script];
    const child = spawn("unshare", ["--net", "sh", "-c", `${setUp} && exec "$@"`, "sh", ...node], {
      cwd: import.meta.dirname,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    await once(child, "close");
    assert.deepEqual(JSON.parse(output), { tcp: "fe80::1", local: "fe80::1", udp: "fe80::1", text: "here", doubtful: 22 });
  },
);
