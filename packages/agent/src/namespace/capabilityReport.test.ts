import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Fields, Log } from "../log/log.ts";
import { CapabilityReport, isForbidden } from "./capabilityReport.ts";

const eperm = Object.assign(new Error("not permitted"), { code: "EPERM" });

function told(report: CapabilityReport): readonly (readonly [string, Fields | undefined])[] {
  const records: [string, Fields | undefined][] = [];
  const log: Log = {
    isDebug: true,
    isTrace: false,
    trace: () => undefined,
    debug: (message, fields) => void records.push([message, fields]),
    event: (code, fields) => void records.push([code, fields]),
    child: () => log,
  };
  report.tell(log);
  return records;
}

suite("the report of what the agent can do", () => {
  test("is nothing for the admin where everything works or is not there to be used", () => {
    const report = new CapabilityReport("targetless", new Set());
    report.works("files", "openat2");
    report.absent("redirect", "there is no target");
    assert.deepEqual(told(report), [["all that the agent is for works", { ways: "files by openat2" }]]);
    assert.equal(report.refusal("redirect"), null);
  });

  test("names what goes with a feature, every right that is missing for any of it, and each reason once", () => {
    const report = new CapabilityReport("targeted", new Set(["SYS_PTRACE"]));
    report.refused("network", new Error("the namespace cannot be entered", { cause: eperm }));
    // What was lost before keeps its reason.
    report.refused("redirect", new Error("something else"));
    assert.deepEqual(told(report), [
      [
        "RIGHT_MISSING",
        {
          missing: "SYS_ADMIN, NET_ADMIN",
          off: "names, network, redirect, unixNames",
          reasons: "the namespace cannot be entered: not permitted",
        },
      ],
    ]);
    const text = "the agent cannot enter the target's network: its container lacks the capability SYS_ADMIN";
    for (const lost of ["network", "names", "redirect", "unixNames"] as const) assert.equal(report.refusal(lost), text);
    for (const kept of ["files", "environment", "unixPaths"] as const) assert.equal(report.refusal(kept), null);
  });

  test("gives the reason itself where every right is there", () => {
    const report = new CapabilityReport("ephemeral", new Set(["SYS_PTRACE", "NET_ADMIN"]));
    report.refused("redirect", new Error("no nf_tables"));
    assert.equal(report.refusal("redirect"), "the agent cannot redirect the target's traffic: no nf_tables");
    assert.deepEqual(told(report)[0]?.[1], { missing: "", off: "redirect", reasons: "no nf_tables" });
  });

  test("is JSON with every feature", () => {
    const report = new CapabilityReport("ephemeral", new Set(["NET_ADMIN"]));
    const { rights, features } = JSON.parse(JSON.stringify(report)) as { rights: object; features: Record<string, { works: boolean }> };
    assert.deepEqual(rights, { SYS_ADMIN: false, SYS_PTRACE: false, NET_ADMIN: true });
    assert.deepEqual(Object.keys(features), ["files", "environment", "names", "network", "redirect", "unixPaths", "unixNames"]);
    assert.ok(Object.values(features).every(({ works }) => works));
  });
});

test("that rights are missing is seen through what it caused", () => {
  assert.ok(isForbidden(new Error("outer", { cause: new Error("inner", { cause: eperm }) })));
  assert.ok(!isForbidden(Object.assign(new Error("gone"), { code: "ENOENT" })));
  assert.ok(!isForbidden("EPERM"));
});
