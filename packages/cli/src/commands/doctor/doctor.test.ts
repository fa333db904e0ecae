// `understudy doctor` and `understudy status` with an agent that does what the test says.

import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { FakeAgent } from "@understudy/client/testing";
import { finished, runCommand, startCommand } from "../../testing/runCommand.ts";

interface Check {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly remedy: string | null;
}

const checksIn = (stdout: string): readonly Check[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Check);

suite("understudy doctor", () => {
  test("looks at this machine alone when no agent is named, and what only local agents need is no failure", async () => {
    const { code, stdout, stderr } = await runCommand(["doctor", "--json"]);
    assert.equal(code, 0);
    assert.match(stderr, /no agent is named/);
    const checks = checksIn(stdout);
    assert.deepEqual(
      checks.filter(({ state }) => state === "no"),
      [],
    );
    assert.ok(checks.some(({ name, detail }) => name === "Node.js" && detail === process.versions.node));
  });

  test("goes through what an agent can do, and says why not and what to do", async () => {
    await using agent = await FakeAgent.start();
    const child = startCommand("doctor", "--json", "--agent", `127.0.0.1:${agent.port}`, "--redirect", "80");
    const result = finished(child);
    const peer = await agent.accept();
    await peer.handshake();
    await peer.expect("ping");
    peer.send({ kind: "pong" });
    await peer.expect("getEnvVarsRequest");
    peer.send({ kind: "getEnvVarsResponse", value: { kind: "ok", value: new Map([["A", "b"]]) } });
    await peer.expect("fileRequest");
    const denied = { kind: "remoteIO", value: { rawOsError: 13, kind: { kind: "permissionDenied" } } } as const;
    peer.send({ kind: "file", value: { kind: "open", value: { kind: "err", value: denied } } });
    await peer.expect("getAddrInfoRequestV2");
    peer.send({ kind: "getAddrInfoResponse", value: { kind: "ok", value: [{ name: "localhost", ip: "127.0.0.1" }] } });
    const connect = (await peer.expect("tcpOutgoing")).value;
    assert.ok(connect.kind === "connectV2");
    const refused = { kind: "remoteIO", value: { rawOsError: 111, kind: { kind: "connectionRefused" } } } as const;
    peer.send({
      kind: "tcpOutgoing",
      value: { kind: "connectV2", value: { uid: connect.value.uid, connect: { kind: "err", value: refused } } },
    });
    const subscribe = (await peer.expect("tcpSteal")).value;
    assert.match(JSON.stringify(subscribe), /x-understudy-doctor: [0-9a-f-]{36}/);
    peer.send({ kind: "tcpSteal", value: { kind: "subscribeResult", value: { kind: "ok", value: 80 } } });
    assert.deepEqual((await peer.expect("tcpSteal")).value, { kind: "portUnsubscribe", value: 80 });
    await peer.expect("ping");
    peer.send({ kind: "pong" });
    await peer.expect("close");
    const { code, stdout } = await result;
    assert.equal(code, 1);
    const [failed, ...others] = checksIn(stdout).filter(({ state }) => state === "no");
    assert.deepEqual(others, []);
    assert.equal(failed?.name, "files");
    assert.match(failed.detail, /\/etc\/passwd.*EACCES|permission denied/i);
    assert.match(failed.remedy ?? "", /SYS_PTRACE/);
    assert.ok(checksIn(stdout).some(({ name, state }) => name === "redirect port 80" && state === "ok"));
  });

  test("says that an agent cannot be reached, with 1", async () => {
    const { code, stdout } = await runCommand(["doctor", "--agent", "127.0.0.1:1", "--color", "always"]);
    assert.equal(code, 1);
    // The two colours of a failure, and no more than one line.
    assert.match(stdout.replaceAll("\u001b", "ESC"), /^ESC\[31mno ESC\[0m {2}ESC\[1magent .*ECONNREFUSED.*; check the address/m);
  });

  test("takes wrong arguments for what they are, 2", async () => {
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["--redirect", "80"], /--connect and --redirect need an agent/],
      [["--redirect", "x", "--agent", "a:1"], /from 1 to 65535/],
      [["--agent", "a"], /HOST:PORT/],
      [["--agent", "a:1", "--pid", "1"], /one of --agent and --pid/],
      [["--color", "blue"], /Allowed choices are auto, always, never/],
      [["--jsn"], /Did you mean --json\?/],
      [["extra"], /too many arguments/],
    ];
    for (const [args, reason] of wrong) {
      const { code, stdout, stderr } = await runCommand(["doctor", ...args]);
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      assert.match(stderr, reason);
    }
    const { code, stderr } = await runCommand(["docter"]);
    assert.equal(code, 2);
    assert.match(stderr, /Did you mean doctor\?/);
  });
});

test("understudy status is interrupted with 130 while an agent does not answer", async () => {
  await using agent = await FakeAgent.start();
  const child = startCommand("status", "--agent", `127.0.0.1:${agent.port}`);
  const result = finished(child);
  const peer = await agent.accept();
  await peer.handshake();
  await peer.expect("ping");
  child.kill("SIGINT");
  await once(child, "exit");
  assert.deepEqual(await result, { code: 130, stdout: "", stderr: "" });
});

test("config check says what is wrong, and where", async () => {
  const none = await runCommand(["config", "check", "/none/understudy.yaml"]);
  assert.deepEqual([none.code, none.stdout], [2, ""]);
  assert.match(none.stderr, /cannot be read: ENOENT/);
  const { code, stderr } = await runCommand(["config", "check"]);
  assert.equal(code, 2);
  assert.match(stderr, /no understudy\.yaml/);
});
