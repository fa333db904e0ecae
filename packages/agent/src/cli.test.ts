import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AgentOptions, parseCommandLine } from "./cli.ts";

function options(line: string, env: NodeJS.ProcessEnv = {}): AgentOptions {
  const result = parseCommandLine(split(line), env);
  if (result.kind === "print") assert.fail(result.text);
  return result.options;
}

function refused(line: string | readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const result = parseCommandLine(typeof line === "string" ? split(line) : line, env);
  if (result.kind === "run") assert.fail(`${String(line)} was accepted`);
  assert.equal(result.stream, "stderr");
  assert.equal(result.exitCode, 2);
  return result.text;
}

function split(line: string): string[] {
  return line.split(" ").filter((word) => word !== "");
}

suite("command lines that start an agent", () => {
  test("what the client sends", () => {
    assert.deepEqual(options("-l 40000 -t 60 targeted --container-id abc --container-runtime docker"), {
      communicatePort: 40_000,
      communicationTimeoutMs: 60_000,
      metrics: null,
      operatorTlsCertPem: null,
      cleanIptablesOnStart: false,
      isMesh: false,
      testError: false,
      mode: { kind: "targeted", containerId: "abc", containerRuntime: "docker" },
    });
    assert.deepEqual(options("-l 40000 -t 60 ephemeral").mode, { kind: "ephemeral" });
    assert.deepEqual(options("-l 40000 -t 60 --test-error targetless").testError, true);
  });

  test("a process of the agent's machine, which the reference does not know", () => {
    assert.deepEqual(options("process --pid 42").mode, { kind: "process", pid: 42 });
    assert.deepEqual(options("process -p4194304").mode, { kind: "process", pid: 4_194_304 });
  });

  test("defaults", () => {
    const defaults = options("targetless");
    assert.equal(defaults.communicatePort, 61_337);
    assert.equal(defaults.communicationTimeoutMs, 30_000);
    assert.deepEqual(options("targeted -c x").mode, { kind: "targeted", containerId: "x", containerRuntime: "containerd" });
  });

  test("every way to attach a value", () => {
    for (const line of ["-l 5", "-l5", "-l=5", "--communicate-port 5", "--communicate-port=5", "-l +5"]) {
      assert.equal(options(`${line} targetless`).communicatePort, 5, line);
    }
    assert.deepEqual(options("targeted -cabc -r=cri-o --mesh istio").mode, {
      kind: "targeted",
      containerId: "abc",
      containerRuntime: "cri-o",
    });
  });

  test("old options are accepted, and an unknown runtime is found out later", () => {
    assert.ok(options("--ipv6 --is-mesh ephemeral --mesh linkerd").isMesh);
    const { mode } = options("targeted -c x -r podman");
    assert.equal(mode.kind === "targeted" && mode.containerRuntime, "podman");
  });

  test("metrics are served on an IPv4 or a bracketed IPv6 address", () => {
    assert.deepEqual(options("--metrics 0.0.0.0:9000 targetless").metrics, { ip: "0.0.0.0", port: 9000 });
    assert.deepEqual(options("--metrics [::1]:0 targetless").metrics, { ip: "::1", port: 0 });
  });

  test("the environment fills in what the command line leaves open", () => {
    const env = {
      MIRRORD_AGENT_METRICS: "127.0.0.1:1",
      AGENT_OPERATOR_CERT_ENV: "pem",
      MIRRORD_AGENT_CLEAN_IPTABLES_ON_START: "true",
      MIRRORD_AGENT_IN_SERVICE_MESH: "false",
    };
    const filled = options("targetless", env);
    assert.deepEqual(filled.metrics, { ip: "127.0.0.1", port: 1 });
    assert.equal(filled.operatorTlsCertPem, "pem");
    assert.equal(filled.cleanIptablesOnStart, true);
    assert.equal(filled.isMesh, false);
    assert.equal(options("--metrics 127.0.0.1:2 targetless", env).metrics?.port, 2);
    assert.equal(
      options("--clean-iptables-on-start targetless", { MIRRORD_AGENT_CLEAN_IPTABLES_ON_START: "x" }).cleanIptablesOnStart,
      true,
    );
  });
});

suite("command lines that are refused", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["--bad targetless", /unexpected option "--bad"/],
    ["foo", /unrecognized mode "foo"/],
    ["- targetless", /unrecognized mode "-"/],
    ["-- targetless", /unexpected option "--"/],
    ["-l x targetless", /invalid value "x" of --communicate-port/],
    ["-l 65536 targetless", /"65536"/],
    ["-l -5 targetless", /--communicate-port needs a value/],
    ["-l", /--communicate-port needs a value/],
    ["--communicate-port= targetless", /invalid value ""/],
    ["-t 5s targetless", /invalid value "5s" of --communication-timeout/],
    ["-l 1 --communicate-port 2 targetless", /--communicate-port is given more than once/],
    ["--ipv6 --ipv6 targetless", /--ipv6 is given more than once/],
    ["--ipv6=true targetless", /--ipv6 takes none/],
    ["--metrics localhost:80 targetless", /invalid value "localhost:80" of --metrics/],
    ["--metrics 1.2.3.4 targetless", /--metrics/],
    ["--metrics 1.2.3.4:70000 targetless", /--metrics/],
    ["--metrics ::1:80 targetless", /--metrics/],
    ["--metrics [1.2.3.4]:80 targetless", /--metrics/],
    ["targeted", /targeted needs --container-id/],
    ["targeted -c", /--container-id needs a value/],
    ["targeted -c x -c y", /--container-id is given more than once/],
    ["targetless -l 3", /unexpected option "-l" \(it belongs before the mode\)/],
    ["-c x targeted", /unexpected option "-c" \(it belongs after the mode\)/],
    ["process", /process needs --pid/],
    ["process --pid 0", /invalid value "0" of --pid/],
    ["process --pid 4194305", /from 1 to 4194304/],
    ["process --pid self", /invalid value "self"/],
    ["targetless extra", /unexpected argument "extra"/],
    ["targetless --mesh x", /unexpected option "--mesh"/],
    ["targeted -V", /unexpected option "-V"/],
    ["help foo", /unrecognized mode "foo"/],
    ["--comm 3 targetless", /unexpected option "--comm"/],
  ];
  for (const [line, pattern] of cases) {
    test(line, () => {
      const text = refused(line);
      assert.match(text, /^error: /);
      assert.match(text, pattern);
      assert.match(text, /Usage: mirrord-agent /);
    });
  }

  test("environment variables that are not exactly true or false", () => {
    for (const value of ["", "1", "TRUE", "yes"]) {
      assert.match(refused("targetless", { MIRRORD_AGENT_CLEAN_IPTABLES_ON_START: value }), /MIRRORD_AGENT_CLEAN_IPTABLES_ON_START/);
      assert.match(refused("targetless", { MIRRORD_AGENT_IN_SERVICE_MESH: value }), /MIRRORD_AGENT_IN_SERVICE_MESH/);
    }
    assert.match(refused("targetless", { MIRRORD_AGENT_METRICS: "" }), /--metrics/);
  });

  test("no error repeats a certificate or spans lines by its argument", () => {
    const text = refused(["--operator-tls-cert-pem=SECRET", "--operator-tls-cert-pem=SECRET", "targetless"]);
    assert.doesNotMatch(text, /SECRET/);
    assert.doesNotMatch(refused(["--operator-tls-cert=SECRET", "targetless"]), /SECRET/);
    assert.equal(refused(["a\nb\u001b[31m"]).split("\n")[0], String.raw`error: unrecognized mode "a\nb\u001b[31m"`);
  });
});

suite("command lines that only print", () => {
  const printed = (line: string, env: NodeJS.ProcessEnv = {}): string => {
    const result = parseCommandLine(split(line), env);
    if (result.kind === "run") assert.fail("an agent would start");
    assert.equal(result.stream, "stdout");
    assert.equal(result.exitCode, 0);
    return result.text;
  };

  test("the version is the reference's", () => {
    assert.equal(printed("--version"), "mirrord-agent 3.250.0\n");
    assert.equal(printed("-V targetless"), "mirrord-agent 3.250.0\n");
  });

  test("help, for the program and for each mode", () => {
    assert.equal(printed("--help"), printed("-h"));
    assert.equal(printed("help"), printed("-h --bad"));
    assert.match(printed("targeted --help"), /--container-runtime/);
    assert.equal(printed("help targeted"), printed("targeted -c x -h"));
    assert.match(printed("help ephemeral"), /--mesh/);
    assert.match(printed("help targetless"), /targetless/);
    // Asked for help, the environment does not matter.
    assert.match(printed("--help", { MIRRORD_AGENT_CLEAN_IPTABLES_ON_START: "x" }), /Usage/);
  });

  test("help names what can be set by the environment", () => {
    for (const name of ["RUST_LOG", "MIRRORD_AGENT_METRICS", "MIRRORD_AGENT_IDLE_TTL", "UNDERSTUDY_MAX_SESSIONS"]) {
      assert.ok(printed("--help").includes(name), name);
    }
  });

  test("without a mode help goes to standard error and the exit code is 2", () => {
    for (const line of ["", "-l 5", "--ipv6"]) assert.match(refused(line), /^Serves mirrord clients/);
  });
});
