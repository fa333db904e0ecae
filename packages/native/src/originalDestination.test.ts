import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";

// The redirect happens in a namespace of its own, which the child below enters.
const script = `
  import net from "node:net";
  import { once } from "node:events";
  import { originalDestination } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
  const results = [];
  for (const [family, host] of [[4, "127.0.0.1"], [6, "::1"]]) {
    const server = net.createServer().listen({ host, port: 4000 + family });
    await once(server, "listening");
    for (const port of [80, 4000 + family]) {
      const client = net.connect({ host, port });
      const [accepted] = await once(server, "connection");
      results.push(originalDestination(accepted._handle.fd, family));
      client.destroy();
      accepted.destroy();
    }
    results.push(originalDestination(server._handle.fd, family));
    server.close();
  }
  console.log(JSON.stringify(results));
`;
const rules = `table inet t {
  chain output {
    type nat hook output priority -95;
    meta nfproto ipv4 tcp dport 80 redirect to :4004
    meta nfproto ipv6 tcp dport 80 redirect to :4006
  }
}`;

function skipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  if (process.getuid?.() !== 0) return "needs root";
  for (const tool of ["ip", "nft"]) {
    if (spawnSync(tool, ["-V"]).error) return `needs ${tool}`;
  }
  return false;
}

test("the original destination of a redirected connection is found for both families", { skip: skipReason() }, () => {
  const namespace = `understudy-dst-${process.pid}`;
  const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });
  ip("netns", "add", namespace);
  try {
    ip("-n", namespace, "link", "set", "lo", "up");
    execFileSync("ip", ["netns", "exec", namespace, "nft", "-f", "-"], { input: rules });
    const output = ip("netns", "exec", namespace, process.execPath, "--conditions=source", "--input-type=module", "-e", script);
    assert.deepEqual(JSON.parse(output), [
      { ip: "127.0.0.1", port: 80 },
      { ip: "127.0.0.1", port: 4004 },
      null,
      { ip: "::1", port: 80 },
      { ip: "::1", port: 4006 },
      null,
    ]);
  } finally {
    ip("netns", "del", namespace);
  }
});
