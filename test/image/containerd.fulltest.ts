// The archive of the image in a container runtime: containerd takes it, and runc runs it with a root that is read-only, the runtime's own seccomp profile, a
// pod's limits, and the capabilities of deploy/; once beside a target, as an ephemeral container, and once in a container of its own on the target's node.

import assert from "node:assert/strict";
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connectAgent } from "@understudy/client";
import { type Container, ContainerNode, containersSkipReason } from "../containers/containerNode.ts";
import { AGENT_GROUP, AGENT_PORT } from "../pod/agentProcess.ts";
import { get, podIpv4, targetFile, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";
import { type ContainerPart, ephemeralContainer, targetedContainer } from "./manifests.ts";

const run = promisify(execFile);
const image = "localhost/understudy-agent:test";

/** What containers get unless it is taken away. */
const defaultCapabilities =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE".split(" ");

/** Options of `ctr run` that give what the manifest says, and a pod's limits. */
function restrictions({ securityContext }: ContainerPart): string[] {
  const { add } = securityContext.capabilities;
  return [
    ...defaultCapabilities.filter((name) => !add.includes(name)).flatMap((name) => ["--cap-drop", `CAP_${name}`]),
    ...add.filter((name) => !defaultCapabilities.includes(name)).flatMap((name) => ["--cap-add", `CAP_${name}`]),
    ...(securityContext.readOnlyRootFilesystem ? ["--read-only"] : []),
    ...(securityContext.allowPrivilegeEscalation === false ? [] : ["--allow-new-privs"]),
    "--seccomp",
    `--memory-limit=${100 * 1024 * 1024}`,
    "--cpus=1",
  ];
}

suite("the image in a container runtime", { skip: containersSkipReason() }, () => {
  let node: ContainerNode;

  before(async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "understudy-image-"));
    const archive = join(folder.path, "image.tar");
    const build = fileURLToPath(new URL("../../scripts/image/build.ts", import.meta.url));
    await run(process.execPath, [build, "--archive", archive, "--name", image]);
    node = await ContainerNode.start();
    await node.exec("ctr", "-n", "k8s.io", "images", "import", archive);
  });
  after(() => node[Symbol.asyncDispose]());

  /** A program on the node, in the test's network. */
  function startOnNode(...command: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable> {
    return spawn("nsenter", ["--target", String(node.pid), "--pid", "--mount", "--", ...command], { stdio: ["pipe", "pipe", "pipe"] });
  }

  /** Runs the agent, uses it by `host`, and sees it leave. */
  async function serves(container: Container, host: string, flags: readonly string[], mode: readonly string[]): Promise<void> {
    const control = ["--rm", "--cgroup", `/understudy-test-${process.pid}/agent`, "--cwd", "/"];
    // ctr cannot give a group.
    const program = ["/usr/bin/setpriv", "--regid", String(AGENT_GROUP), "--clear-groups", "./mirrord-agent"];
    const command = [...program, "-l", String(AGENT_PORT), "-t", "60", ...mode];
    const agent = startOnNode("ctr", "-n", "k8s.io", "run", ...control, ...flags, image, "understudy-agent", ...command);
    const exited = once(agent, "exit");
    const errors = text(agent.stderr);
    const lines: string[] = [];
    for await (const line of createInterface({ input: agent.stdout })) {
      lines.push(line);
      if (line.startsWith("agent ready")) break;
    }
    assert.match(lines.at(-1) ?? "", /^agent ready/, [...lines, agent.exitCode === null ? "" : await errors].join("\n"));
    {
      await using session = await connectAgent({ host, port: AGENT_PORT });
      const jq = { kind: "headerJq", value: '. == "x-user: me"' } as const;
      const filter = { kind: "composite", value: { all: true, filters: [wantedBy("me"), jq] } } as const;
      await session.steal(targetPorts.http, { filter, onRequest: answerAs("client") });
      assert.equal((await get("/mine", { headers: as("me") })).body, "client /mine\n");
      assert.equal(targetSaw(await get("/theirs")).by, "target");
      assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    }
    assert.deepEqual(await exited, [0, null]);
    assert.deepEqual(await node.redirectRules(container), []);
  }

  test("serves beside its target, with the rights of the ephemeral container", async () => {
    await using container = await node.startContainer("beside");
    const shared = ["network:net", "pid:pid"].flatMap((pair) => {
      const [name, file] = pair.split(":");
      return ["--with-ns", `${name}:/proc/${container.pid}/ns/${file}`];
    });
    await serves(container, podIpv4, [...restrictions(await ephemeralContainer()), ...shared], ["ephemeral"]);
  });

  test("serves a target that the runtime knows, with the rights and mounts of the job", async () => {
    await using container = await node.startContainer("elsewhere");
    const part = await targetedContainer();
    // The test's network, so that the test is a client.
    const holder = startOnNode("sh", "-c", "echo $$; exec cat");
    try {
      const [line] = (await once(createInterface({ input: holder.stdout }), "line")) as [string];
      const namespaces = ["--with-ns", `network:/proc/${line}/ns/net`, "--with-ns", "pid:/proc/1/ns/pid"];
      const mounts = (part.volumeMounts ?? []).flatMap(({ mountPath }) => {
        return ["--mount", `type=bind,src=${mountPath.replace("/host", "")},dst=${mountPath},options=rbind:ro`];
      });
      const mode = ["targeted", "--container-id", container.id, "--container-runtime", "containerd"];
      await serves(container, "127.0.0.1", [...restrictions(part), ...namespaces, ...mounts], mode);
    } finally {
      holder.stdin.end();
    }
  });
});
