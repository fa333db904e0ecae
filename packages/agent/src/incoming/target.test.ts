import assert from "node:assert/strict";
import { test } from "node:test";
import {
  TestAgent,
  agentGroup,
  createNetwork,
  podIpv4,
  podIpv6,
  skipReason,
  startServer,
  type Network,
} from "./redirect/networkFixture.ts";
import { passMark } from "./redirect/ownTraffic.ts";

const skip = skipReason();
const own = (path: string): string => JSON.stringify(import.meta.resolve(path));

/** What the agent gets when it passes a connection to `ip` on to the address that was asked for; the error's code when it fails. */
async function passOn(network: Network, ip: string, mark: number | null, ...rights: string[]): Promise<string> {
  const script = `
    import { connectTarget } from ${own("./target.ts")};
    import { ReceiveBuffers } from ${own("../socket/receiveBuffer.ts")};
    const arrival = { peer: { ip: "10.0.0.9", port: 9 }, original: { ip: ${JSON.stringify(ip)}, port: 80 }, agentIp: "10.0.0.9", tls: null };
    let text = "";
    connectTarget(arrival, { keepAddress: true, mark: ${mark}, buffers: new ReceiveBuffers() }, {
      bytes: (view) => { text += Buffer.from(view).toString(); return true; },
      closed: (error) => console.log(error === null ? text : error.code ?? String(error)),
      ended() { target.socket.end(); },
    });`.replace("connectTarget(arrival", "const target = connectTarget(arrival");
  const node = [process.execPath, "--conditions=source", "--input-type=module", "-e", script];
  return (await network.exec("pod", "setpriv", ...rights, "--regid", String(agentGroup), "--clear-groups", ...node)).trim();
}

test("traffic passed on to the pod's own address reaches the target and is not redirected again, by its mark", { skip }, async () => {
  await using network = await createNetwork();
  await using _app = await startServer(network, 80, "app");
  await using agent = new TestAgent(network, { podIps: [podIpv4, podIpv6] });
  await agent.ask("add", 80);
  for (const ip of [podIpv4, podIpv6, "127.0.0.1", "::1"]) assert.equal(await passOn(network, ip, passMark), "app", ip);
  // The mark is what does it.
  for (const ip of [podIpv4, podIpv6]) assert.match(await passOn(network, ip, null), /"original"/);
});

test("without the right to set the mark a connection fails instead of going round in circles", { skip }, async () => {
  await using network = await createNetwork();
  await using _app = await startServer(network, 80, "app");
  const powerless = ["--bounding-set", "-net_admin,-net_raw", "--inh-caps", "-net_admin,-net_raw"];
  assert.equal(await passOn(network, podIpv4, passMark, ...powerless), "EPERM");
});
