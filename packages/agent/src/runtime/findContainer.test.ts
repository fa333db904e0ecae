import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { findContainer } from "./findContainer.ts";
import { type GrpcAnswer, HostFixture, message } from "./runtimeFixture.ts";

const containerId = "5dd8ce6b8e6dd3ae4a3d7c55c4d2fb2e6f9a9d1d3b8b6e0f";

const containerdSockets = [
  "run/containerd/containerd.sock",
  "run/dockershim.sock",
  "run/k3s/containerd/containerd.sock",
  "var/snap/microk8s/common/run/containerd.sock",
  "run/k0s/containerd.sock",
];

/** Answers as containerd 1.6 does for one container, with more fields than are asked for. */
function containerd(pid: number, status = 2): (method: string, request: Buffer, metadata: Readonly<Record<string, unknown>>) => GrpcAnswer {
  const spec = { ociVersion: "1.0.2", process: { args: ["server"], env: ["PATH=/bin", "WITH=an=equals", "EMPTY="] } };
  const annotation = message([
    [1, "type.googleapis.com/opencontainers/runtime-spec/1/Spec"],
    [2, JSON.stringify(spec)],
  ]);
  const labels = message([
    [1, "io.kubernetes.pod.name"],
    [2, "x".repeat(300)],
  ]);
  const answers: Readonly<Record<string, GrpcAnswer>> = {
    "containerd.services.tasks.v1.Tasks/Get": message([
      [
        1,
        message([
          [1, "task"],
          [2, containerId],
          [3, pid],
          [4, status],
          [5, "/run/stdin"],
        ]),
      ],
    ]),
    "containerd.services.containers.v1.Containers/Get": message([
      [
        1,
        message([
          [1, containerId],
          [2, labels],
          [3, "image"],
          [5, annotation],
        ]),
      ],
    ]),
  };
  return (method, request, metadata) => {
    const isAsked = metadata["containerd-namespace"] === "k8s.io" && request.equals(message([[1, containerId]]));
    return (isAsked ? answers[method] : undefined) ?? { status: 5, message: "container: not found" };
  };
}

const find = (host: HostFixture, runtime: string, timeoutMs = 5000): ReturnType<typeof findContainer> =>
  findContainer({ containerId, runtime, hostRoot: host.root, timeoutMs });

suite("a container is found", () => {
  for (const socket of containerdSockets) {
    test(`by containerd at ${socket}, with the environment of its specification`, async () => {
      await using host = await HostFixture.make();
      await host.grpc(socket, containerd(300_000));
      assert.deepEqual(await find(host, "containerd"), {
        kind: "found",
        by: `${host.root}/${socket}`,
        answer: { pid: 300_000, environment: ["PATH=/bin", "WITH=an=equals", "EMPTY="] },
        problems: [],
      });
    });
  }

  test("although other runtimes do not know it, or never answer", async () => {
    await using host = await HostFixture.make();
    await host.silent("run/containerd/containerd.sock");
    await host.grpc("run/dockershim.sock", () => ({ status: 5, message: "not found" }));
    await host.grpc("run/k0s/containerd.sock", containerd(7));
    const beganAt = performance.now();
    const found = await find(host, "containerd", 20_000);
    assert.ok(performance.now() - beganAt < 5_000);
    assert.equal(found.kind === "found" && found.answer.pid, 7);
  });

  test("by CRI-O, whose newer versions have one JSON text and older ones several", async () => {
    for (const [info, environment] of [
      [{ info: JSON.stringify({ pid: 71, sandboxID: "s", runtimeSpec: { process: { env: ["A=1"] } } }) }, ["A=1"]],
      [{ pid: "71", sandboxId: "s" }, null],
    ] as const) {
      await using host = await HostFixture.make();
      const entries = Object.entries(info).map(
        ([key, value]) =>
          [
            2,
            message([
              [1, key],
              [2, value],
            ]),
          ] as const,
      );
      await host.grpc("run/crio/crio.sock", (method, request) => {
        assert.equal(method, "runtime.v1.RuntimeService/ContainerStatus");
        assert.deepEqual(
          request,
          message([
            [1, containerId],
            [2, 1],
          ]),
        );
        return message([
          [
            1,
            message([
              [1, containerId],
              [3, 1],
            ]),
          ],
          ...entries,
        ]);
      });
      const found = await find(host, "cri-o");
      assert.deepEqual(found.kind === "found" && found.answer, { pid: 71, environment });
    }
  });

  test("by Docker, at either socket", async () => {
    for (const socket of ["run/docker.sock", "var/run/docker.sock"]) {
      await using host = await HostFixture.make();
      await host.http(socket, (url) => {
        assert.equal(url, `/containers/${containerId}/json?size=false`);
        return { status: 200, body: { Id: containerId, State: { Status: "running", Pid: 9 }, Config: { Env: ["B=2"] } } };
      });
      const found = await find(host, "docker");
      assert.deepEqual(found.kind === "found" && found.answer, { pid: 9, environment: ["B=2"] });
    }
  });
});

suite("a container is not found", () => {
  const reasons = async (host: HostFixture, runtime: string, timeoutMs?: number): Promise<string> => {
    const finding = await find(host, runtime, timeoutMs);
    assert.equal(finding.kind, "notFound");
    return finding.problems.join("\n");
  };

  test("when no runtime is there, none answers in time, or it is an unknown one, and each is told", async () => {
    await using host = await HostFixture.make();
    assert.match(await reasons(host, "docker"), /no socket of docker below/);
    await host.silent("run/containerd/containerd.sock");
    await host.silent("run/docker.sock");
    await host.silent("run/crio/crio.sock");
    for (const runtime of ["containerd", "docker", "cri-o"]) assert.match(await reasons(host, runtime, 200), /no answer within 200 ms/);
    for (const runtime of ["podman", "constructor"]) assert.match(await reasons(host, runtime), /unknown container runtime/);
  });

  test("when it does not run, or its runtime answers with an error or with nonsense", async () => {
    await using host = await HostFixture.make();
    await host.grpc("run/containerd/containerd.sock", containerd(7, 3));
    await host.grpc("run/dockershim.sock", containerd(0));
    await host.grpc("run/k3s/containerd/containerd.sock", () => Buffer.from([0x0a, 0x7f, 1]));
    await host.grpc("run/k0s/containerd.sock", () => ({ status: 7, message: "denied, 100 %" }));
    await host.http("run/docker.sock", () => ({ status: 404, body: { message: "No such container" } }));
    await host.http("var/run/docker.sock", () => ({ status: 200, body: { State: { Pid: 0 } } }));
    await host.grpc("run/crio/crio.sock", () =>
      message([
        [
          2,
          message([
            [1, "info"],
            [2, "{}"],
          ]),
        ],
      ]),
    );
    const texts = await reasons(host, "containerd");
    for (const text of [/has ended/, /does not run/, /beyond the message/, /gRPC status 7: denied, 100 %/]) assert.match(texts, text);
    assert.match(await reasons(host, "docker"), /HTTP status 404: .*No such container[\s\S]*does not run/);
    assert.match(await reasons(host, "cri-o"), /does not run/);
  });
});
