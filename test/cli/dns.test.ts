// `understudy dns` and `understudy dns serve` beside a target whose names nobody else knows.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podSkipReason, targetHost } from "../pod/pod.ts";
import { nameServer } from "../pod/ports.ts";
import { RunningCommand, understudy } from "./understudy.ts";

suite("understudy dns", { skip: podSkipReason(), timeout: 120_000 }, () => {
  let pod: Pod;
  let agent: AgentProcess;
  let address: string;
  before(async () => {
    pod = await Pod.start();
    await promisify(execFile)("ip", ["link", "set", "lo", "up"]);
    agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    address = `${agent.address.host}:${agent.address.port}`;
  });
  after(async () => {
    await agent?.[Symbol.asyncDispose]();
    await pod?.[Symbol.asyncDispose]();
  });

  test("names of the target's hosts file and of its resolver, and the name of an address", async () => {
    const { code, stdout, stderr } = await understudy(["dns", targetHost.name, targetHost.address, "--agent", address]);
    assert.deepEqual(
      [code, stdout, stderr],
      [0, `${targetHost.name}  ${targetHost.address}\n${targetHost.address}  ${targetHost.name}\n`, ""],
    );
    const resolved = await understudy(["dns", "any.name.test", "--type", "a", "--json", "--agent", address]);
    assert.equal(resolved.code, 0, resolved.stderr);
    const value = JSON.parse(resolved.stdout) as { name: string; addresses: string[]; error: null };
    assert.deepEqual([value.name, value.addresses, value.error], ["any.name.test", [nameServer.answer], null]);
  });

  test("what is not found fails, and the others are printed", async () => {
    const { code, stdout, stderr } = await understudy(["dns", "198.51.100.7", targetHost.name, "--agent", address]);
    assert.equal(code, 1);
    assert.equal(stdout, `${targetHost.name}  ${targetHost.address}\n`);
    assert.match(stderr, /^understudy: look up 198\.51\.100\.7: [^\n]+\n$/);
    const noAddress = await understudy(["dns", "name", "--type", "ptr", "--json", "--agent", address]);
    assert.equal(noAddress.code, 1);
    assert.match(noAddress.stdout, /no IP address/);
  });

  test("wrong arguments", async () => {
    for (const args of [[], ["x", "--type", "mx"], ["serve", "--listen", "nowhere"]]) {
      const { code, stderr } = await understudy(["dns", ...args, "--agent", address]);
      assert.equal(code, 2, stderr);
    }
  });

  test("a resolver of this machine that is given the server gets the target's answers", async () => {
    await using command = new RunningCommand(["dns", "serve", "--listen", "127.0.0.1:0", "--agent", address, "--json"]);
    const port = await command.port();
    const resolver = new Resolver({ timeout: 5_000, tries: 1 });
    resolver.setServers([`127.0.0.1:${port}`]);
    assert.deepEqual(await resolver.resolve4(targetHost.name), [targetHost.address]);
    assert.deepEqual(await resolver.reverse(targetHost.address), [targetHost.name]);
    await assert.rejects(resolver.resolve6(targetHost.name), { code: "ENODATA" });
    await assert.rejects(resolver.resolveMx(targetHost.name), { code: "ENOTIMP" });
    await assert.rejects(resolver.reverse("198.51.100.7"), { code: "ENOTFOUND" });
    await command.output(new RegExp(`"type":"A","code":"NOERROR","data":\\["${targetHost.address}"\\]`));
    const { code } = await command.interrupt();
    assert.equal(code, 0);
  });
});
