// A port with TLS, stolen by a running agent with OpenSSL's server as the target and curl as its peer: who must show which certificate to whom, whose files they are,
// and what becomes of them while the agent runs.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { AgentProcess } from "../pod/agentProcess.ts";
import { Pod, podIpv4, podSkipReason } from "../pod/pod.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";

const run = promisify(execFile);

const NAME = "shop.test";
const PORT = 443;
/** What a peer hears when the target takes the agent's certificate no more. */
const REFUSED = /failed to pass the request to its original destination: 127\.0\.0\.1:443: .*alert/i;
/** Certificates in the target's own files, which the machine does not have. */
const FOLDER = "/srv/understudy/tls";

function skipReason(): string | false {
  if (process.env["CI"] !== undefined) return false;
  for (const tool of ["openssl", "curl"]) if (spawnSync(tool, ["--version"]).error) return `needs ${tool}`;
  return podSkipReason();
}

/** A file of the target's, as the test reaches it. */
function outside(pod: Pod, file: string): string {
  return `/proc/${pod.pid}/root${FOLDER}/${file}`;
}

async function certify(pod: Pod, file: string, name: string): Promise<void> {
  const files = ["-keyout", outside(pod, `${file}.key`), "-out", outside(pod, `${file}.pem`)];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await run("openssl", ["req", "-x509", ...key, ...files, "-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`]);
}

/** OpenSSL's own server in the pod. It answers a GET with what it knows of its peer, which must show the agent's certificate. */
async function serveTls(pod: Pod): Promise<AsyncDisposable> {
  const identity = ["-cert", outside(pod, "target.pem"), "-key", outside(pod, "target.key")];
  const demands = ["-Verify", "1", "-verify_return_error", "-CAfile", outside(pod, "agentToTarget.pem")];
  const command = ["openssl", "s_server", "-accept", String(PORT), ...identity, ...demands, "-alpn", "http/1.1", "-www"];
  const child = spawn("nsenter", ["--target", String(pod.pid), "--net", "--", ...command], { stdio: ["ignore", "pipe", "ignore"] });
  let said = "";
  while (!said.includes("ACCEPT")) said += String((await once(child.stdout, "data"))[0]);
  child.stdout.resume();
  return {
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    },
  };
}

/** Files are read again when they are 5 s old. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (const startedAt = performance.now(); !(await isTrue());) assert.ok(performance.now() - startedAt < 15_000);
}

function tlsSetting(): string {
  const identity = (file: string): object => ({ certPem: `${FOLDER}/${file}.pem`, keyPem: `${FOLDER}/${file}.key` });
  const setting = [
    {
      port: PORT,
      agentAsServer: {
        authentication: identity("agentToPeers"),
        alpnProtocols: ["http/1.1"],
        verification: { trustRoots: [`${FOLDER}/peer.pem`] },
      },
      agentAsClient: { authentication: identity("agentToTarget"), verification: { trustRoots: [`${FOLDER}/target.pem`] } },
    },
  ];
  return Buffer.from(JSON.stringify(setting)).toString("base64").replaceAll("=", "");
}

test("a port with TLS: each side proves itself by files of the target, and replaced ones are used", { skip: skipReason() }, async () => {
  await using pod = await Pod.start();
  await mkdir(outside(pod, ""));
  for (const file of ["agentToPeers", "target"]) await certify(pod, file, NAME);
  await certify(pod, "peer", "peer.test");
  await certify(pod, "agentToTarget", "agent.test");
  await using _target = await serveTls(pod);
  await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_STEAL_TLS_CONFIG: tlsSetting() } });
  await using session = await agent.connect();
  await session.steal(PORT, { filter: wantedBy("me"), onRequest: answerAs("client") });
  const trusting = ["--connect-to", `${NAME}:${PORT}:${podIpv4}:${PORT}`, "--cacert", outside(pod, "agentToPeers.pem")];
  const known = ["--cert", outside(pod, "peer.pem"), "--key", outside(pod, "peer.key")];
  const curl = async (...options: readonly string[]): Promise<string> =>
    (await run("curl", ["--silent", "--show-error", "--max-time", "10", ...trusting, ...options, `https://${NAME}/path`])).stdout;
  const asMe = Object.entries(as("me")).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);

  // The target takes nobody without the agent's certificate, and OpenSSL's page names who came.
  assert.match(await curl(...known), /Client certificate[^]*Subject: CN\s*=\s*agent\.test/);
  assert.equal(await curl(...known, ...asMe), "client /path\n");
  await assert.rejects(curl(...asMe), "a peer without a certificate was served");

  await certify(pod, "agentToTarget", "other.test");
  await until(async () => REFUSED.test(await curl(...known)));
  await agent.event("PASSTHROUGH_FAILED");

  await certify(pod, "agentToPeers", NAME);
  const isRenewed = (): Promise<boolean> =>
    curl(...known, ...asMe).then(
      (body) => body === "client /path\n",
      () => false,
    );
  // curl trusts the new one alone.
  await until(isRenewed);
  await session.ping();
});
