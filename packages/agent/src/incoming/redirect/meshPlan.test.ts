import assert from "node:assert/strict";
import { test } from "node:test";
import { isMeshLine, planFor, takesFromOutside } from "./meshPlan.ts";

const nat = (...rules: string[]): string[] => ["*nat", ...rules];
const mangle = (...rules: string[]): string[] => ["*mangle", ...rules];

test("rules of nobody are no mesh", () => {
  assert.equal(planFor(nat("-A OUTPUT -j DOCKER_OUTPUT")), null);
  assert.equal(planFor([]), null);
});

test("of several meshes the first in the chain counts", () => {
  assert.equal(planFor(nat("-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND", "-A OUTPUT -j ISTIO_OUTPUT"))?.mesh, "kuma");
});

test("excluded ports of all rules and forms are merged", () => {
  const plan = planFor(
    nat(
      "-A OUTPUT -j PROXY_INIT_OUTPUT",
      "-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,25,9000:9010 -m comment --comment x -j RETURN",
      "-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 9005:9020,24 -j RETURN",
      "-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143",
    ),
  );
  assert.deepEqual(plan?.fromOutside, [
    { first: 24, last: 25 },
    { first: 4190, last: 4190 },
    { first: 9000, last: 9020 },
  ]);
  assert.ok(plan !== null && takesFromOutside(plan, 9015) && !takesFromOutside(plan, 80));
});

test("Istio and Kuma write one rule for each excluded port", () => {
  for (const [output, inbound] of [
    ["ISTIO_OUTPUT", "ISTIO_INBOUND"],
    ["KUMA_MESH_OUTBOUND", "KUMA_MESH_INBOUND"],
  ] as const) {
    const rules = [15_090, 15_021, 15_020].map((port) => `-A ${inbound} -p tcp -m tcp --dport ${port} -j RETURN`);
    const plan = planFor(nat(`-A OUTPUT -p tcp -j ${output}`, ...rules, `-A ${inbound} -p tcp -j MESH_IN_REDIRECT`));
    assert.deepEqual(plan?.fromOutside, [
      { first: 15_020, last: 15_021 },
      { first: 15_090, last: 15_090 },
    ]);
    assert.equal(plan.isBeforeMesh, false);
  }
});

test("without excluded ports, and where a sidecar takes listed ports only, everything it leaves is taken", () => {
  assert.equal(planFor(nat("-A OUTPUT -j ISTIO_OUTPUT", "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT"))?.fromOutside, "everything");
  const listed = [
    "-A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN",
    "-A ISTIO_INBOUND -p tcp -m tcp --dport 8080 -j ISTIO_IN_REDIRECT",
  ];
  assert.equal(planFor(nat("-A OUTPUT -j ISTIO_OUTPUT", ...listed))?.fromOutside, "everything");
});

test("a sidecar that takes connections without translating them leaves the ports it excludes, or none", () => {
  const transparent = "-A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY";
  assert.deepEqual(planFor([...nat("-A OUTPUT -j ISTIO_OUTPUT"), ...mangle(transparent)])?.fromOutside, []);
  const excluded = "-A ISTIO_INBOUND -p tcp -m tcp --dport 15090 -j RETURN";
  const plan = planFor([...nat("-A OUTPUT -j ISTIO_OUTPUT"), ...mangle(excluded, transparent)]);
  assert.deepEqual(plan?.fromOutside, [{ first: 15_090, last: 15_090 }]);
});

test("Istio with rules in mangle, too, is ambient", () => {
  assert.deepEqual(planFor([...nat("-A OUTPUT -j ISTIO_OUTPUT"), ...mangle("-A OUTPUT -j ISTIO_OUTPUT")]), {
    mesh: "ambient",
    fromOutside: "everything",
    isBeforeMesh: true,
  });
});

test("only lines that can matter are kept", () => {
  assert.ok(["*nat", "-A OUTPUT -j X", "-A ISTIO_INBOUND -j X"].every(isMeshLine));
  assert.ok([":OUTPUT ACCEPT [0:0]", "-A KUBE-SERVICES -j X", "# ISTIO_INBOUND", "COMMIT"].every((line) => !isMeshLine(line)));
});
