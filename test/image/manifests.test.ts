// The manifests of deploy/ against what clients make themselves, and against what is promised of them. Not against a cluster.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { type ContainerPart, ephemeralContainer, readManifest, targetedContainer, targetedJob } from "./manifests.ts";

const outOfMeshes = { "sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled" };
const labels = { app: "mirrord", "kuma.io/sidecar-injection": "disabled" };

suite("the manifests", () => {
  test("of a targeted agent are a job like the one a client makes", async () => {
    const { apiVersion, kind, metadata, spec } = await targetedJob();
    assert.deepEqual([apiVersion, kind], ["batch/v1", "Job"]);
    assert.match(metadata.name, /^mirrord-agent-[a-z0-9]{10}$/);
    assert.deepEqual([metadata.labels, metadata.annotations], [labels, outOfMeshes]);
    assert.deepEqual([spec.template.metadata.labels, spec.template.metadata.annotations], [labels, outOfMeshes]);
    assert.deepEqual([spec.backoffLimit, spec.ttlSecondsAfterFinished], [0, 1]);
    const pod = spec.template.spec;
    assert.deepEqual([pod.restartPolicy, pod.hostPID, pod.hostNetwork, pod.automountServiceAccountToken], ["Never", true, false, false]);
    assert.deepEqual(pod.tolerations, [{ operator: "Exists" }]);
    const mounts = [
      { name: "hostrun", hostPath: { path: "/run" } },
      { name: "hostvar", hostPath: { path: "/var" } },
    ];
    assert.deepEqual(pod.volumes, mounts);
    assert.equal(pod.containers.length, 1);
    const container = await targetedContainer();
    assert.deepEqual(container.command, ["./mirrord-agent"]);
    assert.deepEqual(container.args?.slice(0, 6), ["-l", "61337", "-t", "60", "targeted", "--container-id"]);
    assert.deepEqual(container.args?.slice(-2), ["--container-runtime", "containerd"]);
    assert.deepEqual(container.resources, { requests: { cpu: "1m", memory: "1Mi" }, limits: { cpu: "1", memory: "100Mi" } });
    assert.deepEqual(container.volumeMounts, [
      { name: "hostrun", mountPath: "/host/run", readOnly: true },
      { name: "hostvar", mountPath: "/host/var", readOnly: true },
    ]);
    assert.equal(container.securityContext.allowPrivilegeEscalation, undefined);
    assert.ok(container.securityContext.capabilities.add.includes("SYS_ADMIN"));
    assertLeastRights(container);
  });

  test("of an ephemeral agent neither enter a namespace nor ask for what ephemeral containers may not have", async () => {
    const container = await ephemeralContainer();
    assert.deepEqual(Object.keys(container).sort(), ["env", "securityContext"]);
    assert.equal(container.securityContext.allowPrivilegeEscalation, false);
    assert.ok(!container.securityContext.capabilities.add.includes("SYS_ADMIN"));
    assertLeastRights(container);
  });

  test("give the rights that the page beside them explains, and no others", async () => {
    const page = await readFile(new URL("../../deploy/README.md", import.meta.url), "utf8");
    const containers = [await ephemeralContainer(), await targetedContainer()];
    const explained = containers.map((): string[] => []);
    for (const [, names = "", ...given] of page.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \| (yes|no) \| (yes|no) \|/gm)) {
      const rights = names.replaceAll("`", "").split(", ");
      for (const [i, isGiven] of given.entries()) if (isGiven === "yes") explained[i]?.push(...rights);
    }
    assert.deepEqual(
      explained.map((rights) => rights.toSorted()),
      containers.map(({ securityContext }) => securityContext.capabilities.add.toSorted()),
    );
  });

  test("let nobody reach an agent's pod over the cluster's network", async () => {
    const { metadata: job } = await targetedJob();
    const policy = await readManifest("network-policy.yaml");
    assert.deepEqual(policy, {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "mirrord-agents" },
      spec: { podSelector: { matchLabels: { app: job.labels["app"] } }, policyTypes: ["Ingress"], ingress: [] },
    });
  });
});

function assertLeastRights({ env, securityContext }: ContainerPart): void {
  const { runAsGroup, capabilities, ...rights } = securityContext;
  assert.deepEqual(capabilities.drop, ["ALL"]);
  for (const needed of ["SYS_PTRACE", "NET_ADMIN"]) assert.ok(capabilities.add.includes(needed), needed);
  assert.ok(runAsGroup >= 3000 && runAsGroup <= 65_534);
  assert.deepEqual([rights.privileged, rights.readOnlyRootFilesystem], [false, true]);
  assert.deepEqual([rights.runAsUser, rights.seccompProfile], [0, { type: "RuntimeDefault" }]);
  assert.deepEqual(
    env.find(({ name }) => name === "UNDERSTUDY_LISTEN_ADDRESS"),
    { name: "UNDERSTUDY_LISTEN_ADDRESS", value: "127.0.0.1" },
  );
  // Quoted where YAML would make another type of it.
  for (const { value } of env) assert.equal(typeof value, "string");
}
