import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { openSession } from "@understudy/client";
import { FakeAgent } from "@understudy/client/testing";
import { openCluster } from "./cluster.ts";
import type { Output } from "../../output.ts";
import { finished, startCommandIn } from "../../testing/runCommand.ts";
import { containerStatus, FakeCluster } from "./fakeClusterFixture.ts";
import { openPodStream } from "./podStream.ts";
import { describeInCluster, type InClusterChoice, reachInCluster } from "./reachInCluster.ts";

/** Keeps what the user would read. */
function silentOutput(): Pick<Output, "note" | "leftUnlessDone"> & { readonly notes: string[] } {
  const notes: string[] = [];
  return { note: (text) => void notes.push(text), leftUnlessDone: () => ({ [Symbol.dispose]: () => undefined }), notes };
}

const running = (container: string): object => ({
  phase: "Running",
  containerStatuses: [containerStatus(container, { running: {} })],
  ephemeralContainerStatuses: [containerStatus(container, { running: {} })],
});
const waiting = (reason: string, message: string): object => ({
  phase: "Pending",
  containerStatuses: [containerStatus("mirrord-agent", { waiting: { reason, message } })],
});

const signal = new AbortController().signal;
const noTarget = { context: "fake", namespace: null };

function choice(name: string, more: Partial<InClusterChoice> = {}): InClusterChoice {
  return { target: { kind: "pod", name, container: null }, cluster: noTarget, image: "agent:1", isEphemeral: false, ...more };
}

async function clusterOf(): Promise<FakeCluster> {
  const cluster = await FakeCluster.start();
  process.env["KUBECONFIG"] = await cluster.kubeconfig();
  return cluster;
}

suite("an agent in a cluster", { concurrency: false }, () => {
  test("a job on the target's node, told about while it comes up, reached, and deleted afterwards", async () => {
    await using cluster = await clusterOf();
    await using fake = await FakeAgent.start();
    cluster.addTarget("web-1", { sidecar: true });
    cluster.agents({
      states: (reads) => (reads < 2 ? waiting("ContainerCreating", "pulling") : running("mirrord-agent")),
      log: "agent ready - version 3.250.0\n",
      forwardTo: fake.port,
    });
    const output = silentOutput();
    {
      await using agent = await reachInCluster(choice("web-1"), output, signal);
      const [job] = [...cluster.jobs.values()];
      assert.equal(job?.spec?.template.spec?.nodeName, "node-1");
      const [container] = job?.spec?.template.spec?.containers ?? [];
      const port = container?.args?.[1];
      assert.deepEqual(container?.args?.slice(2), [
        "-t",
        "30",
        "targeted",
        "--container-id",
        "id-of-web",
        "--container-runtime",
        "containerd",
      ]);
      assert.ok(container?.env?.some(({ name, value }) => name === "MIRRORD_AGENT_POD_IPS" && value === "10.1.2.3"));
      assert.ok(container?.env?.some(({ name, value }) => name === "MIRRORD_AGENT_IN_SERVICE_MESH" && value === "true"));
      const peer = fake.accept();
      const opening = openSession(await agent.connect(signal));
      await (await peer).handshake();
      await using session = await opening;
      assert.equal(session.version, "1.29.0");
      assert.ok(cluster.asked.some((one) => one.startsWith("UPGRADE") && one.endsWith(`ports=${port}`)));
    }
    assert.equal(cluster.jobs.size, 0);
    assert.ok(output.notes.includes("ContainerCreating: pulling"));
    assert.ok(output.notes.at(-1)?.endsWith("is ready, version 3.250.0"));
  });

  test("an ephemeral container in a pod of a deployment, with the target's variables after its own", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-0", { status: "Pending" });
    cluster.addTarget("web-1");
    cluster.addDeployment("web");
    cluster.agents({ states: (_reads, container) => running(container), log: '{"message":"agent ready - version 3.250.0"}' });
    const wanted = choice("web", { target: { kind: "deployment", name: "web", container: null }, isEphemeral: true });
    await using agent = await reachInCluster(wanted, silentOutput(), signal);
    const [container] = cluster.pods.get("web-1")?.spec?.ephemeralContainers ?? [];
    assert.equal(container?.targetContainerName, "web");
    assert.deepEqual(container?.env?.at(-1), { name: "COLOUR", value: "web" });
    assert.deepEqual(container?.args?.slice(2), ["-t", "30", "ephemeral"]);
    await assert.rejects(async () => {
      for await (const _chunk of await agent.connect(signal));
    }, /port \d+ of pod web-1: connection refused/);
  });

  test("an ephemeral container is added again, to what is there by then, when the pod changed meanwhile", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    cluster.agents({ states: (_reads, container) => running(container), log: "agent ready\n" });
    cluster.beforeReplace = (pod) => {
      if (pod.metadata?.resourceVersion !== "7" || pod.spec === undefined) return;
      pod.metadata.resourceVersion = "8";
      pod.spec.ephemeralContainers = [{ name: "somebody-elses" }];
    };
    await using _agent = await reachInCluster(choice("web-1", { isEphemeral: true }), silentOutput(), signal);
    const names = cluster.pods.get("web-1")?.spec?.ephemeralContainers?.map(({ name }) => name) ?? [];
    assert.deepEqual([names.length, names[0]], [2, "somebody-elses"]);
  });

  test("a pod that changes all the time is left alone after some tries, and named", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    cluster.beforeReplace = ({ metadata }) =>
      Object.assign(metadata ?? {}, { resourceVersion: `${Number(metadata?.resourceVersion) + 1}` });
    const reached = reachInCluster(choice("web-1", { isEphemeral: true }), silentOutput(), signal);
    await assert.rejects(reached, { message: /^cannot add an ephemeral container to pod web-1: .* has been modified$/ });
  });

  test("why a job gets no pod is told at once, and leaves no job", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    cluster.podRefusal = 'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)';
    await assert.rejects(reachInCluster(choice("web-1"), silentOutput(), signal), {
      message:
        /^the cluster makes no pod for job .*: pods "x" is forbidden: .*\(hostPID=true\) \(agents need a namespace whose Pod Security level/,
    });
    assert.equal(cluster.jobs.size, 0);
  });

  test("a deployment's pods are found by all that it selects them by", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    const matchExpressions = [
      { key: "tier", operator: "In", values: ["a", "b"] },
      { key: "canary", operator: "NotIn", values: ["yes"] },
      { key: "app", operator: "Exists" },
      { key: "old", operator: "DoesNotExist" },
    ];
    cluster.addDeployment("web", { matchLabels: { app: "web" }, matchExpressions });
    await describeInCluster(choice("web", { target: { kind: "deployment", name: "web", container: null } }), signal);
    assert.deepEqual(cluster.selectors, ["app=web,tier in (a,b),canary notin (yes),app,!old"]);
  });

  test("a port that is not forwarded is told with the server's answer", async () => {
    await using cluster = await clusterOf();
    cluster.refusedUpgrade = 403;
    await assert.rejects(openPodStream(await openCluster(noTarget), "web-1", 80, signal), {
      message: "cannot reach port 80 of pod web-1: the API server answers 403 (ask for the rights, see deploy/README.md)",
    });
  });

  test("a stream to the pod carries much both ways, for a reader that is slow", async () => {
    await using cluster = await clusterOf();
    const echo = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
    cluster.agents({ states: () => ({}), forwardTo: (echo.address() as AddressInfo).port });
    const stream = await openPodStream(await openCluster(noTarget), "web-1", 80, signal);
    const sent = randomBytes(8 * 1024 * 1024);
    const received: Buffer[] = [];
    stream.write(sent);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      received.push(chunk);
      assert.ok(stream.readableLength < 4 * 1024 * 1024);
      await setImmediate();
      if (Buffer.concat(received).length === sent.length) break;
    }
    assert.ok(Buffer.concat(received).equals(sent));
    echo.close();
  });

  const failures: [string, object, string, RegExp][] = [
    [
      "an image that cannot be pulled",
      waiting("ImagePullBackOff", "no such image agent:1"),
      "",
      /cannot start: ImagePullBackOff: no such image agent:1/,
    ],
    [
      "an agent that ends",
      { phase: "Failed", containerStatuses: [containerStatus("mirrord-agent", { terminated: { exitCode: 99, reason: "Error" } })] },
      "one\ntwo\nthere are rules of another agent\n",
      /does not run: ended with exit code 99, Error; it said: one \| two \| there are rules of another agent/,
    ],
  ];
  for (const [name, state, log, expected] of failures) {
    test(`${name} is told with its reason, and leaves no job`, async () => {
      await using cluster = await clusterOf();
      cluster.addTarget("web-1");
      cluster.agents({ states: () => state, log });
      await assert.rejects(reachInCluster(choice("web-1"), silentOutput(), signal), { message: expected });
      assert.equal(cluster.jobs.size, 0);
    });
  }

  test("interrupted while it comes up, it leaves no job", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    const stopped = new AbortController();
    cluster.agents({
      states: (reads) => {
        if (reads > 0) stopped.abort();
        return { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", message: "0/3 nodes are available" }] };
      },
    });
    const output = silentOutput();
    await assert.rejects(reachInCluster(choice("web-1"), output, stopped.signal), { name: "AbortError" });
    assert.equal(output.notes.at(-1), "no node takes it: 0/3 nodes are available");
    assert.equal(cluster.jobs.size, 0);
  });

  const pods = "/api/v1/namespaces/shop/pods";
  const hanging: readonly [string, boolean][] = [
    [`GET ${pods}/web-1`, false],
    ["GET /apis/apps/v1/namespaces/shop/deployments/web", false],
    ["POST /apis/batch/v1/namespaces/shop/jobs", false],
    [`GET ${pods}/mirrord-agent-`, false],
    [`GET ${pods}/web-1/ephemeralcontainers`, true],
    [`PUT ${pods}/web-1/ephemeralcontainers`, true],
  ];
  for (const [request, isEphemeral] of hanging) {
    test(`interrupted while nothing answers to ${request}, it ends at once and leaves no job`, async () => {
      await using cluster = await clusterOf();
      cluster.addTarget("web-1");
      cluster.addDeployment("web");
      const stopped = new AbortController();
      cluster.hangs.set(request, () => stopped.abort());
      const target = { kind: request.includes("deployments") ? "deployment" : "pod", container: null } as const;
      const wanted = choice("web-1", { target: { ...target, name: target.kind === "pod" ? "web-1" : "web" }, isEphemeral });
      await assert.rejects(reachInCluster(wanted, silentOutput(), stopped.signal), { name: "AbortError" });
      assert.equal(cluster.jobs.size, 0);
    });
  }

  test("a second Ctrl-C while a job cannot be deleted ends the command, which says what is left", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    const [waits, deletes] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    cluster.hangs.set(`GET ${pods}/mirrord-agent-`, waits.resolve);
    cluster.hangs.set("DELETE /apis/batch/v1/namespaces/shop/jobs/", deletes.resolve);
    const command = startCommandIn(
      { env: { KUBECONFIG: await cluster.kubeconfig() } },
      "ls",
      "/",
      "--pod",
      "web-1",
      "--agent-image",
      "agent:1",
    );
    const end = finished(command);
    await Promise.race([waits.promise, end]);
    command.kill("SIGINT");
    await Promise.race([deletes.promise, end]);
    command.kill("SIGINT");
    const { code, stderr } = await end;
    assert.equal(code, 130);
    const [job] = cluster.jobs.keys();
    assert.match(
      stderr,
      new RegExp(`^understudy: job ${job} may be left in namespace shop: kubectl delete job ${job} --namespace shop removes it$`, "m"),
    );
  });

  test("what is not there, does not run, or is refused is named", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    cluster.addTarget("web-2").status = { containerStatuses: [containerStatus("web", { waiting: { reason: "CrashLoopBackOff" } })] };
    const refused = async (wanted: InClusterChoice, expected: RegExp): Promise<void> => {
      await assert.rejects(reachInCluster(wanted, silentOutput(), signal), { message: expected });
    };
    await refused(choice("nobody"), /^there is no pod nobody in namespace shop$/);
    await refused(choice("web-2"), /^container web of pod web-2 does not run: CrashLoopBackOff$/);
    await refused(
      choice("web-1", { target: { kind: "pod", name: "web-1", container: "db" } }),
      /^pod web-1 has no container db; it has web$/,
    );
    const deployment = { kind: "deployment", name: "web", container: null } as const;
    await refused(choice("web", { target: deployment }), /deployments\.apps "web" not found/);
    await refused(choice("web-1", { cluster: { context: "other", namespace: null } }), /has no context other; it has fake/);
    cluster.refusals.set("GET /api/v1/namespaces/shop/pods/web-3", { code: 401, message: "Unauthorized" });
    await refused(choice("web-3"), /^cannot read pod web-3: the API server answers 401 \(log in again\)$/);
    cluster.refusals.set("POST /apis/batch/v1/namespaces/shop/jobs", {
      code: 403,
      message: "jobs.batch is forbidden: hostPath volumes are not allowed",
    });
    await refused(
      choice("web-1"),
      /^cannot make job mirrord-agent-\w{10} in namespace shop: jobs\.batch is forbidden: .* \(ask for the rights/,
    );
  });

  test("a cluster that cannot be reached or is not chosen, and a file that cannot be read, are told in one sentence", async (context) => {
    const refused = (expected: RegExp): Promise<void> =>
      assert.rejects(reachInCluster(choice("web-1", { cluster: { context: null, namespace: null } }), silentOutput(), signal), {
        message: expected,
      });
    const folder = await mkdtemp(path.join(tmpdir(), "understudy-kubeconfig-"));
    const home = process.env["HOME"];
    context.after(async () => {
      process.env["HOME"] = home;
      await rm(folder, { recursive: true });
    });
    const file = path.join(folder, "config");
    {
      await using cluster = await clusterOf();
      await copyFile(await cluster.kubeconfig(), file);
    }
    process.env["KUBECONFIG"] = file;
    await refused(/^cannot read pod web-1: the API server cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
    await writeFile(file, "clusters: [");
    await refused(/^cannot read the kubeconfig file: [^\n]+$/);
    process.env["HOME"] = folder;
    process.env["KUBECONFIG"] = "";
    await refused(/^no cluster is chosen: set KUBECONFIG or give --context NAME$/);
  });

  test("the manifest is made without changing anything", async () => {
    await using cluster = await clusterOf();
    cluster.addTarget("web-1");
    const job = await describeInCluster(choice("web-1"), signal);
    assert.ok("kind" in job && job.kind === "Job");
    assert.ok("spec" in (await describeInCluster(choice("web-1", { isEphemeral: true }), signal)));
    assert.deepEqual(
      cluster.asked.filter((one) => !one.startsWith("GET ")),
      [],
    );
  });
});
