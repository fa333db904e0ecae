// The container image: the agent from its root folder, which is mounted read-only, beside a target as an ephemeral container and with no more rights than
// deploy/ephemeral-container.yaml gives. The folder is made as `make image` makes it.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { AgentProcess, type AgentProcessOptions } from "../pod/agentProcess.ts";
import { get, Pod, podIpv4, podIpv6, podSkipReason, targetFile, targetSaw, targetVariable } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";
import { ephemeralContainer } from "./manifests.ts";

const { http } = targetPorts;
const run = promisify(execFile);

const byJq = { kind: "headerJq", value: '. == "x-user: me"' } as const;

/** Options of setpriv(1) that leave only these capabilities, as a container has them without `allowPrivilegeEscalation`. */
function withRights(capabilities: readonly string[]): readonly string[] {
  return [`--bounding-set=-all,${capabilities.map((name) => `+${name.toLowerCase()}`).join(",")}`, "--no-new-privs"];
}

function skipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  for (const tool of ["apt-get", "dpkg-deb", "npm"]) if (spawnSync(tool, ["--version"]).error) return `needs ${tool}`;
  return podSkipReason();
}

suite("the container image", { skip: skipReason() }, () => {
  let root = "";
  let capabilities: readonly string[] = [];

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "understudy-image-"));
    capabilities = (await ephemeralContainer()).securityContext.capabilities.add;
    const build = fileURLToPath(new URL("../../scripts/image/build.ts", import.meta.url));
    await run(process.execPath, [build, "--root", root]);
  });
  after(() => rm(root, { recursive: true, force: true }));

  function start(pod: Pod, options: AgentProcessOptions = {}): Promise<AgentProcess> {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...options.env };
    return AgentProcess.start(pod, { root, setpriv: withRights(capabilities), ...options, env });
  }

  function assertNothingToReport(agent: AgentProcess): void {
    assert.deepEqual(
      agent.log.filter(({ level }) => level !== "INFO"),
      [],
    );
  }

  test("says its version when it is started as clients start it", async () => {
    await using pod = await Pod.start();
    await using agent = await start(pod, { options: ["--version"], awaitsReady: false });
    assert.deepEqual(await agent.ended, { code: 0, signal: null });
    assert.match(agent.lines.join("\n"), /^mirrord-agent \d+\.\d+\.\d+$/);
  });

  test("has every program that the agent starts, with its libraries", async () => {
    const programs = ["nft", "iptables-legacy-save", "ip6tables-nft-restore", "conntrack", "ss", "jq", "choom", "prlimit", "setpriv"];
    for (const program of programs) await run("chroot", [root, "/bin/sh", "-ec", `${program} --version`]);
  });

  test("lists what is in it, for scanners", async () => {
    const bill = JSON.parse(await readFile(join(root, "opt/understudy/sbom.cdx.json"), "utf8")) as { components: { purl: string }[] };
    const purls = bill.components.map(({ purl }) => purl.replace(/@[^@]*$/, ""));
    for (const purl of ["pkg:npm/koffi", "pkg:npm/%40understudy/agent", "pkg:deb/debian/nftables"]) assert.ok(purls.includes(purl), purl);
    assert.ok(!purls.some((purl) => /typescript|npm\/yaml|perl|dpkg/.test(purl)));
    assert.match(await readFile(join(root, "var/lib/dpkg/status.d/nftables"), "utf8"), /^Package: nftables\n/);
    // What is in the bundle is still listed, and its licence is there.
    assert.ok(purls.includes("pkg:npm/re2js"));
    await access(join(root, "opt/understudy/node_modules/re2js/LICENSE"));
    await assert.rejects(access(join(root, "opt/understudy/node_modules/re2js/package.json")));
  });

  test("steals what a filter wants, by its own nft, and shows the target's environment and files", async () => {
    await using pod = await Pod.start();
    await using agent = await start(pod, { env: { MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS: "true" } });
    await using session = await agent.connect();
    await session.steal(http, { filter: wantedBy("me"), onRequest: answerAs("client") });
    for (const host of [podIpv4, podIpv6]) {
      assert.equal((await get("/mine", { host, headers: as("me") })).body, "client /mine\n");
      assert.equal(targetSaw(await get("/theirs", { host })).by, "target");
    }
    assert.match((await pod.redirectRules()).join("\n"), /inet understudy/);
    assert.equal((await session.env()).get(targetVariable.name), targetVariable.value);
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    await session.files.writeFile("/srv/understudy/written", "by the client");
    assertNothingToReport(agent);
  });

  test("filters by jq", async () => {
    await using pod = await Pod.start();
    await using agent = await start(pod);
    await using session = await agent.connect();
    await session.steal(http, { filter: byJq, onRequest: answerAs("client") });
    assert.equal((await get("/mine", { headers: as("me") })).body, "client /mine\n");
    assert.equal(targetSaw(await get("/theirs", { headers: as("somebody") })).by, "target");
    assertNothingToReport(agent);
  });

  test("gives up something for each right that it does not get", async () => {
    await using pod = await Pod.start();
    const owned = "/srv/understudy/owned";
    await pod.exec("nsenter", `--mount=/proc/${pod.pid}/ns/mnt`, "sh", "-ec", `echo > ${owned}; chown 1000 ${owned}; chmod 600 ${owned}`);
    const without = (name: string): AgentProcessOptions => ({ setpriv: withRights(capabilities.filter((other) => other !== name)) });

    {
      await using agent = await start(pod, without("SYS_PTRACE"));
      await using session = await agent.connect();
      await assert.rejects(session.files.open(targetFile.path));
      assert.equal((await session.env()).get(targetVariable.name), undefined);
    }
    {
      await using agent = await start(pod, without("DAC_OVERRIDE"));
      await using session = await agent.connect();
      await assert.rejects(session.files.open(owned), /EACCES/);
    }
    {
      await using agent = await start(pod, without("NET_ADMIN"));
      await using session = await agent.connect();
      await assert.rejects(session.steal(http, { onRequest: answerAs("client") }), /could not be redirected/);
    }
    for (const right of ["SETUID", "SETGID", "KILL"]) {
      await using agent = await start(pod, without(right));
      await using session = await agent.connect();
      await assert.rejects(session.steal(http, { filter: byJq, onRequest: answerAs("client") }), /jq/, right);
    }
  });

  for (const [backend, nftables] of [
    ["legacy", "false"],
    ["nft", "true"],
  ]) {
    test(`redirects by iptables, ${backend} backend`, async () => {
      await using pod = await Pod.start();
      await using agent = await start(pod, { env: { UNDERSTUDY_REDIRECT: "iptables", MIRRORD_AGENT_NFTABLES: nftables ?? "" } });
      await using session = await agent.connect();
      await session.steal(http, { filter: wantedBy("me"), onRequest: answerAs("client") });
      for (const host of [podIpv4, podIpv6]) {
        assert.equal((await get("/mine", { host, headers: as("me") })).body, "client /mine\n");
        assert.equal(targetSaw(await get("/theirs", { host })).by, "target");
      }
      assertNothingToReport(agent);
    });
  }
});
