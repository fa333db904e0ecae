// The command line against a real Kubernetes API server, with its validation, its rights and its Pod Security, and against the kubelet's code for forwarded ports.
// Not shown: that a node can run the agent's container.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import { parse } from "yaml";
import { TargetlessAgent } from "../cli/targetlessAgent.ts";
import { type CommandEnd, understudy } from "../cli/understudy.ts";
import { addNode, addTarget, runEphemeralContainers, runJobs } from "./clusterRoles.ts";
import { type Job, type Pod, TestCluster } from "./testCluster.ts";

interface Role {
  rules: { resources: string[]; verbs: string[] }[];
}

suite("understudy in a cluster", { timeout: 240_000 }, () => {
  let agent: TargetlessAgent;
  let cluster: TestCluster;
  const ended = new AbortController();
  const jobs: Job[] = [];
  const working: Promise<void>[] = [];

  before(async () => {
    agent = await TargetlessAgent.start();
    cluster = await TestCluster.start(agent.address);
    await addNode(cluster, "node-1");
    for (const [name, level] of [
      ["shop", "privileged"],
      ["guarded", "baseline"],
    ] as const) {
      await cluster.must("POST", "/api/v1/namespaces", { metadata: { name, labels: { "pod-security.kubernetes.io/enforce": level } } });
      await addTarget(cluster, name, "web-1");
      await mayUse(name, "developer", await documentedRole());
      working.push(
        runJobs(cluster, name, ended.signal, (job) => jobs.push(job)),
        runEphemeralContainers(cluster, name, ended.signal),
      );
    }
    await cluster.must("POST", "/apis/apps/v1/namespaces/shop/deployments", {
      metadata: { name: "web" },
      spec: {
        selector: { matchLabels: { app: "web" }, matchExpressions: [{ key: "canary", operator: "DoesNotExist" }] },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web:1" }] } },
      },
    });
  });

  after(async () => {
    ended.abort();
    await Promise.allSettled(working);
    await cluster[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
  });

  /** The rights that deploy/ names. */
  async function documentedRole(): Promise<Role> {
    return parse(await readFile(new URL("../../deploy/rbac.yaml", import.meta.url), "utf8")) as Role;
  }

  /** Gives a user the rights of a role in a namespace, and no other. */
  async function mayUse(namespace: string, user: string, role: Role): Promise<void> {
    const metadata = { name: user };
    const rights = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await cluster.must("POST", `${rights}/roles`, { ...role, metadata });
    await cluster.must("POST", `${rights}/rolebindings`, {
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: user },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
    });
  }

  /** `understudy status`, which starts an agent and talks to it, as a user of the cluster. */
  async function status(kubeconfig: string, ...args: readonly string[]): Promise<CommandEnd> {
    return await understudy(["status", "--json", "--agent-image", "agent:1", ...args], {
      env: { KUBECONFIG: kubeconfig, XDG_STATE_HOME: cluster.folder },
    });
  }

  async function refused(kubeconfig: string, args: readonly string[], expected: RegExp): Promise<void> {
    const { code, stdout, stderr } = await status(kubeconfig, ...args);
    assert.equal(code, 1, stderr);
    assert.equal(stdout, "");
    assert.match(stderr.trimEnd().split("\n").at(-1) ?? "", expected, stderr);
  }

  test("starts an agent in a pod of its own with the rights that deploy/rbac.yaml names, talks to it, and leaves no job", async () => {
    const { code, stdout, stderr } = await status(await cluster.kubeconfig("developer", "shop"), "--deployment", "web");
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as { protocol: string }).protocol, "1.29.0");
    const job = jobs.at(-1);
    assert.ok(job);
    assert.equal((await cluster.request("GET", `/apis/batch/v1/namespaces/shop/jobs/${job.metadata.name}`)).status, 404);
    const { containers, hostPID, nodeName } = job.spec.template.spec;
    assert.deepEqual([hostPID, nodeName], [true, "node-1"]);
    assert.deepEqual(containers[0]?.args?.slice(4), ["targeted", "--container-id", "id-of-web", "--container-runtime", "containerd"]);
  });

  test("starts agents as ephemeral containers of one pod at the same time, and each finds its own", async () => {
    const kubeconfig = await cluster.kubeconfig("developer", "shop");
    const ends = await Promise.all([1, 2, 3].map(() => status(kubeconfig, "--pod", "web-1", "--ephemeral")));
    assert.deepEqual(
      ends.map(({ code, stderr }) => (code === 0 ? "done" : stderr)),
      ["done", "done", "done"],
    );
    const { spec } = (await cluster.must("GET", "/api/v1/namespaces/shop/pods/web-1")) as Pod;
    const [container, ...others] = spec.ephemeralContainers ?? [];
    assert.equal(others.length, 2);
    assert.equal(container?.targetContainerName, "web");
    assert.deepEqual(container.env?.at(-1), { name: "COLOUR", value: "blue" });
  });

  test("says what is not there", async () => {
    const kubeconfig = await cluster.kubeconfig("developer", "shop");
    await refused(kubeconfig, ["--pod", "nobody"], /there is no pod nobody in namespace shop$/);
    await refused(
      kubeconfig,
      ["--deployment", "nobody"],
      /cannot read deployment nobody in namespace shop: deployments\.apps "nobody" not found$/,
    );
  });

  test("says which right a user lacks", async () => {
    const stranger = await cluster.kubeconfig("stranger", "shop");
    await refused(
      stranger,
      ["--pod", "web-1"],
      /cannot read pod web-1: pods "web-1" is forbidden: User "stranger" cannot get .* \(ask for the rights/,
    );
    await refused(
      await cluster.kubeconfig("stranger", "shop", "wrong"),
      ["--pod", "web-1"],
      /cannot read pod web-1: .*401 \(log in again\)$/,
    );
  });

  test("says that ports may not be forwarded, and leaves no job", async () => {
    const role = await documentedRole();
    for (const rule of role.rules) if (rule.resources.includes("pods/portforward")) rule.verbs = ["get"];
    await mayUse("shop", "stranger", role);
    await refused(
      await cluster.kubeconfig("stranger", "shop"),
      ["--pod", "web-1"],
      /cannot reach port \d+ of pod mirrord-agent-\w{10}-abcde: the API server answers 403 \(ask for the rights/,
    );
    assert.deepEqual((await cluster.must("GET", "/apis/batch/v1/namespaces/shop/jobs")).items, []);
  });

  test("says what the API server finds wrong in what it is given", async () => {
    const kubeconfig = await cluster.kubeconfig("developer", "shop");
    const image = ["--pod", "web-1", "--agent-image", "agent:1 "];
    await refused(kubeconfig, image, /the cluster makes no pod for job \S+: Error creating: Pod "\S+" is invalid: .*image: Invalid value/);
    await refused(
      kubeconfig,
      [...image, "--ephemeral"],
      /cannot add an ephemeral container to pod web-1: Pod "web-1" is invalid: .*image: Invalid value/,
    );
  });

  test("says that a namespace's Pod Security refuses agents, and leaves no job", async () => {
    const kubeconfig = await cluster.kubeconfig("developer", "guarded");
    const level = /violates PodSecurity "baseline:latest".*\(agents need a namespace whose Pod Security level is privileged\)$/;
    await refused(kubeconfig, ["--pod", "web-1"], level);
    await refused(kubeconfig, ["--pod", "web-1", "--ephemeral"], level);
    assert.deepEqual((await cluster.must("GET", "/apis/batch/v1/namespaces/guarded/jobs")).items, []);
  });

  test("the manifests of deploy/ are accepted", async () => {
    const job = parse(await readFile(new URL("../../deploy/targeted-job.yaml", import.meta.url), "utf8")) as Job;
    job.spec.template.spec.nodeName = "node-1";
    await cluster.must("POST", "/apis/batch/v1/namespaces/shop/jobs?dryRun=All&fieldValidation=Strict", job);
    const policy = parse(await readFile(new URL("../../deploy/network-policy.yaml", import.meta.url), "utf8")) as object;
    await cluster.must("POST", "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies?dryRun=All&fieldValidation=Strict", policy);
  });

  // The last one: the agent does not come back.
  test("says that nothing listens at the agent's port, and leaves no job", async () => {
    await agent.kill();
    await refused(await cluster.kubeconfig("developer", "shop"), ["--pod", "web-1"], /port \d+ of pod \S+: .*connection refused/);
    assert.deepEqual((await cluster.must("GET", "/apis/batch/v1/namespaces/shop/jobs")).items, []);
  });
});
