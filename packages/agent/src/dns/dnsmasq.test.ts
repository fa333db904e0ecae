// The resolver against a server that others wrote, on the real port, in a network namespace made for it.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

const script = `
import { createResolver } from ${JSON.stringify(new URL("resolver.ts", import.meta.url).href)};
const log = { isDebug: false, isTrace: false, trace() {}, debug() {}, event() {}, child: () => log };
const resolver = createResolver({
  readTargetFile: async (path) => Buffer.from(path === "/etc/hosts" ? "" : "nameserver 127.0.0.1\\nsearch ns.svc.test svc.test cluster.test\\noptions ndots:3\\n"),
  log, requestCount: { add() {} },
});
const { signal } = new AbortController();
const lookup = async (node, family) => (await resolver.lookup({ node, family }, signal)).map(({ name, ip }) => name + " " + ip);
const kind = (work) => work.then(() => "none", (error) => error.response.value.kind);
console.log(JSON.stringify({
  both: await lookup("db", "both"),
  alias: await lookup("www.cluster.test", "ipv4Only"),
  chain: await lookup("far.cluster.test", "both"),
  chainToSix: await lookup("far", "ipv6Only"),
  any: [await lookup("db", "any"), await lookup("six.cluster.test", "any")],
  nearestFirst: await lookup("api", "ipv4Only"),
  fewDots: await lookup("api.svc", "ipv4Only"),
  absolute: await kind(lookup("api.test.", "ipv4Only")),
  many: (await lookup("many.cluster.test", "ipv4Only")).length,
  missing: await kind(lookup("missing.cluster.test.", "both")),
  noSix: await kind(lookup("api.svc.test.", "ipv6Only")),
  manySix: (await lookup("many", "ipv6Only")).length,
  reverse: [await resolver.reverse("10.3.0.1", signal), await resolver.reverse("fd00::3", signal)],
  noReverse: await resolver.reverse("10.3.0.99", signal).then(String, (error) => error.response.value),
}));
resolver[Symbol.dispose]();
`;

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root for a network namespace";
  const absent = ["dnsmasq", "unshare", "ip"].filter((tool) => spawnSync(tool, ["--help"]).error !== undefined);
  return absent.length > 0 ? `not installed: ${absent.join(", ")}` : undefined;
}

const reason = missing();

/** dnsmasq in the foreground of a network namespace of its own; resolves when it serves. */
async function startDnsmasq(): Promise<ChildProcess> {
  const many = Array.from({ length: 60 }, (_, i) => `--host-record=many.cluster.test,10.4.0.${i}`);
  const manySix = Array.from({ length: 40 }, (_, i) => `--host-record=many.cluster.test,fd00:4::${i + 1}`);
  const options = [
    "--keep-in-foreground",
    "--no-resolv",
    "--no-hosts",
    "--no-daemon",
    "--user=root",
    "--conf-file=/dev/null",
    "--pid-file=",
    "--local=/test/",
    "--local=/in-addr.arpa/",
    "--edns-packet-max=512",
    "--host-record=db.cluster.test,10.3.0.1,fd00::3",
    "--cname=www.cluster.test,db.cluster.test",
    "--cname=far.cluster.test,further.cluster.test",
    "--cname=further.cluster.test,www.cluster.test",
    "--host-record=six.cluster.test,fd00::6",
    "--host-record=api.ns.svc.test,10.5.0.1",
    "--host-record=api.svc.test,10.5.0.2",
    "--host-record=api.svc.cluster.test,10.5.0.3",
    "--local=/ip6.arpa/",
    ...many,
    ...manySix,
  ];
  const child = spawn("unshare", ["--net", "sh", "-c", 'ip link set lo up && exec dnsmasq "$@"', "sh", ...options], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  for await (const chunk of child.stderr) {
    said += String(chunk);
    if (said.includes("started")) break;
  }
  assert.match(said, /started/);
  return child;
}

test("dnsmasq on port 53 of a network namespace is understood", { skip: process.env["CI"] === undefined && reason }, async () => {
  const dnsmasq = await startDnsmasq();
  try {
    const enter = ["--target", String(dnsmasq.pid), "--net", process.execPath, "--conditions=source", "--input-type=module", "-e", script];
    const client = spawn("nsenter", enter, { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    client.stdout.on("data", (chunk) => (output += String(chunk)));
    await once(client, "close");
    assert.deepEqual(JSON.parse(output), {
      both: ["db.cluster.test. 10.3.0.1", "db.cluster.test. fd00::3"],
      alias: ["db.cluster.test. 10.3.0.1"],
      chain: ["db.cluster.test. 10.3.0.1", "db.cluster.test. fd00::3"],
      chainToSix: ["db.cluster.test. fd00::3"],
      any: [["db.cluster.test. 10.3.0.1"], ["six.cluster.test. fd00::6"]],
      nearestFirst: ["api.ns.svc.test. 10.5.0.1"],
      fewDots: ["api.svc.cluster.test. 10.5.0.3"],
      absolute: { kind: "noRecordsFound", value: 3 },
      many: 60,
      manySix: 40,
      missing: { kind: "noRecordsFound", value: 3 },
      noSix: { kind: "noRecordsFound", value: 0 },
      reverse: ["db.cluster.test", "db.cluster.test"],
      noReverse: { rawOsError: null, kind: { kind: "other" } },
    });
  } finally {
    dnsmasq.kill("SIGTERM");
    await once(dnsmasq, "close");
  }
});
