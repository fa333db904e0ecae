import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { mainHelp } from "./cliHelp.ts";
import { parseSettings, type Settings } from "./settings.ts";

function good(env: NodeJS.ProcessEnv): Settings {
  const { settings, problems } = parseSettings(env);
  assert.deepEqual(problems, []);
  return settings;
}

/** Name of the setting a bad value of which must leave the default, with a problem or silently. */
type Case = readonly [variable: string, name: keyof Settings, bad: readonly string[], goodText: string, goodValue: unknown];

const logged: readonly Case[] = [
  ["MIRRORD_AGENT_JSON_LOG", "jsonLog", ["", "TRUE", "1"], "true", true],
  ["MIRRORD_AGENT_IDLE_TTL", "idleTtlMs", ["", "-1", "1.5", "1s", "18446744073709551616"], "7", 7000],
  [
    "MIRRORD_AGENT_POD_IPS",
    "podIps",
    ["", "10.0.0.1, ::1", "10.0.0.01", "fe80::1%eth0", "a"],
    "10.0.0.1,FD00:0::1",
    ["10.0.0.1", "fd00::1"],
  ],
  ["MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS", "flushConnections", ["yes"], "true", true],
  ["MIRRORD_AGENT_IN_SERVICE_MESH", "inServiceMesh", ["yes"], "true", true],
  ["MIRRORD_AGENT_ISTIO_CNI", "istioCni", ["yes"], "true", true],
  ["MIRRORD_AGENT_EXCLUDE_FROM_MESH", "excludeFromMesh", ["yes"], "true", true],
  ["MIRRORD_AGENT_EXTERNAL_IP_FIX", "externalIpFix", ["yes"], "true", true],
  ["MIRRORD_AGENT_INJECT_HEADERS", "injectHeaders", ["yes"], "true", true],
  ["MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL", "overrideCacheControl", ["no"], "false", false],
  ["MIRRORD_MAX_BODY_BUFFER_SIZE", "bodyBufferMaxBytes", ["x", "4294967296"], "65535", 65_535],
  ["MIRRORD_MAX_BODY_BUFFER_TIMEOUT", "bodyBufferTimeoutMs", ["x"], "20", 20],
  ["MIRRORD_JAQ_TIME_LIMIT", "jqTimeLimitMs", ["x"], "1", 1000],
  ["UNDERSTUDY_HOST_ROOT", "hostRoot", ["", "host", "./"], "/mnt/node/", "/mnt/node"],
  ["UNDERSTUDY_MAX_MESSAGE_BYTES", "maxMessageBytes", ["1", "x", ""], "1000000", 1_000_000],
  ["UNDERSTUDY_SESSION_BUFFER_BYTES", "sessionBufferBytes", ["0"], "1000000", 1_000_000],
  ["UNDERSTUDY_TOTAL_BUFFER_BYTES", "totalBufferBytes", ["0"], "2000000", 2_000_000],
  ["UNDERSTUDY_MAX_SESSIONS", "maxSessions", ["0", "1e3"], "3", 3],
  ["UNDERSTUDY_MAX_OPEN_FILES", "maxOpenFiles", ["0"], "3", 3],
  ["UNDERSTUDY_MAX_CONNECTIONS", "maxConnections", ["0"], "3", 3],
  ["UNDERSTUDY_DEAF_CLIENT_TIMEOUT_MS", "deafClientTimeoutMs", ["0", "2147483648"], "5000", 5000],
  ["UNDERSTUDY_SILENT_CLIENT_TIMEOUT_MS", "silentClientTimeoutMs", ["999", "2147483648"], "0", 0],
  ["UNDERSTUDY_DETECTION_MAX_BYTES", "detectionMaxBytes", ["0"], "4096", 4096],
  ["UNDERSTUDY_HTTP_HEAD_MAX_BYTES", "httpHeadMaxBytes", ["0", "4095"], "65536", 65_536],
  ["UNDERSTUDY_HTTP_MAX_HEADERS", "httpMaxHeaders", ["0", "15"], "100", 100],
  ["UNDERSTUDY_HTTP2_HEADER_LIST_BYTES", "http2HeaderListBytes", ["0", "16383"], "16384", 16_384],
  ["UNDERSTUDY_QUICK_DETECTION", "quickDetection", ["no"], "false", false],
  ["UNDERSTUDY_MIRROR_SAMPLE_PERCENT", "mirrorSamplePercent", ["0", "101"], "10", 10],
  ["UNDERSTUDY_MIRROR_PATIENCE_MS", "mirrorPatienceMs", ["20000"], "70", 70],
  ["UNDERSTUDY_FULL_FILE_TIMES", "fullFileTimes", ["yes"], "true", true],
];

const silent: readonly Case[] = [
  ["MIRRORD_AGENT_NFTABLES", "nftables", ["", "nft"], "false", false],
  ["MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS_CONNTRACK", "flushConntrack", ["no"], "false", false],
  ["MIRRORD_AGENT_UNUSED_PORT_LINGER_SECS", "unusedPortLingerMs", ["x"], "2", 2000],
  ["MIRRORD_AGENT_DNS_TIMEOUT", "dnsTimeoutMs", ["x", "-1"], "3", 3000],
  ["MIRRORD_AGENT_DNS_ATTEMPTS", "dnsAttempts", ["x"], "4", 4],
  ["MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT", "httpDetectionTimeoutMs", ["x"], "0", 0],
];

suite("settings", () => {
  test("without any variable are the documented defaults", () => {
    assert.deepEqual(good({}), {
      logFilter: { defaultLevel: "error", byTarget: [] },
      jsonLog: false,
      idleTtlMs: 0,
      listenAddress: null,
      redirect: "auto",
      isGuarded: false,
      nftables: null,
      podIps: [],
      flushConnections: false,
      flushConntrack: true,
      stealTls: [],
      inServiceMesh: false,
      istioCni: false,
      excludeFromMesh: false,
      hostRoot: "/host",
      ephemeralTargetContainerId: "",
      externalIpFix: false,
      unusedPortLingerMs: 0,
      dnsTimeoutMs: undefined,
      dnsAttempts: undefined,
      injectHeaders: false,
      overrideCacheControl: true,
      httpDetectionTimeoutMs: 2000,
      bodyBufferMaxBytes: 65_536,
      bodyBufferTimeoutMs: 1000,
      jqTimeLimitMs: 500,
      maxMessageBytes: 33_554_432,
      sessionBufferBytes: 524_288,
      totalBufferBytes: 33_554_432,
      maxSessions: 2000,
      maxOpenFiles: 1024,
      maxConnections: 4096,
      deafClientTimeoutMs: 60_000,
      silentClientTimeoutMs: 3_600_000,
      stallLimitMs: 1000,
      detectionMaxBytes: 16_384,
      httpHeadMaxBytes: 1_048_576,
      httpMaxHeaders: 1000,
      http2HeaderListBytes: 65_536,
      quickDetection: true,
      mirrorSamplePercent: 100,
      mirrorPatienceMs: 50,
      fullFileTimes: false,
    } satisfies Settings);
  });

  for (const [variable, name, bad, goodText, goodValue] of logged) {
    test(`${variable}: a bad value is a problem and leaves the default`, () => {
      assert.deepEqual(good({ [variable]: goodText })[name], goodValue);
      for (const text of bad) {
        const { settings, problems } = parseSettings({ [variable]: text });
        assert.deepEqual(settings[name], good({})[name], text);
        assert.equal(problems.length, 1, text);
        assert.equal(problems[0]?.variable, variable);
        assert.ok(problems[0].text.startsWith(`${JSON.stringify(text)}: expected `), problems[0].text);
      }
    });
  }

  for (const [variable, name, bad, goodText, goodValue] of silent) {
    test(`${variable}: a bad value is the default, silently`, () => {
      assert.deepEqual(good({ [variable]: goodText })[name], goodValue);
      for (const text of bad) assert.deepEqual(good({ [variable]: text })[name], good({})[name], text);
    });
  }

  test("a client address that cannot be read leaves the port reachable for fewer, not for everybody", () => {
    assert.equal(good({ UNDERSTUDY_LISTEN_ADDRESS: "FD00:0::1" }).listenAddress, "fd00::1");
    for (const text of ["", "localhost", "127.0.0.1:80", "fe80::1%eth0"]) {
      const { settings, problems } = parseSettings({ UNDERSTUDY_LISTEN_ADDRESS: text });
      assert.equal(settings.listenAddress, "127.0.0.1", text);
      assert.deepEqual(problems, [
        { variable: "UNDERSTUDY_LISTEN_ADDRESS", text: `${JSON.stringify(text)}: expected an IP address; it is 127.0.0.1 instead` },
      ]);
    }
  });

  test("times never exceed what a timer takes", () => {
    assert.equal(good({ MIRRORD_AGENT_IDLE_TTL: "18446744073709551615" }).idleTtlMs, 2_147_483_647);
    assert.equal(good({ MIRRORD_JAQ_TIME_LIMIT: "500" }).jqTimeLimitMs, 1_000);
  });

  test("the log filter keeps what can be read and names the rest once", () => {
    const { settings, problems } = parseSettings({ RUST_LOG: "info,x=y,z" });
    assert.equal(settings.logFilter.defaultLevel, "info");
    assert.deepEqual(problems, [{ variable: "RUST_LOG", text: '"x=y" and 1 more: expected a level or module=level' }]);
  });

  test("a quoted value is short", () => {
    const { problems } = parseSettings({ MIRRORD_AGENT_JSON_LOG: "x".repeat(10_000) });
    assert.ok((problems[0]?.text.length ?? 1000) < 120);
  });

  test("cannot be changed", () => {
    assert.ok(Object.isFrozen(good({})));
  });

  test("limits are named in the help with the defaults they have", () => {
    for (const [variable, name] of logged) {
      if (!variable.startsWith("UNDERSTUDY_")) continue;
      const line = mainHelp.split("\n").find((candidate) => candidate.includes(`  ${variable} `));
      assert.ok(line?.endsWith(`[default: ${JSON.stringify(good({})[name]).replaceAll('"', "")}]`), `${variable}: ${line}`);
    }
  });
});

suite("TLS of stolen ports", () => {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64").replaceAll("=", "");
  const read = (text: string): ReturnType<typeof parseSettings> => parseSettings({ MIRRORD_AGENT_STEAL_TLS_CONFIG: text });
  const entry = {
    port: 443,
    agentAsServer: { authentication: { certPem: "/c", keyPem: "/k" }, alpnProtocols: ["h2"], verification: { trustRoots: ["/r"] } },
    agentAsClient: { verification: {} },
  };

  test("absent flags are false, absent lists empty, absent parts null", () => {
    const { settings, problems } = read(
      encode([entry, { ...entry, port: 444, agentAsServer: { authentication: { certPem: "/d", keyPem: "/l" } } }]),
    );
    assert.deepEqual(problems, []);
    const agentAsClient = { authentication: null, verification: { acceptAnyCert: false, trustRoots: [] } };
    assert.deepEqual(settings.stealTls, [
      {
        port: 443,
        agentAsServer: {
          authentication: { certPem: "/c", keyPem: "/k" },
          alpnProtocols: ["h2"],
          verification: { allowAnonymous: false, acceptAnyCert: false, trustRoots: ["/r"] },
        },
        agentAsClient,
      },
      {
        port: 444,
        agentAsServer: { authentication: { certPem: "/d", keyPem: "/l" }, alpnProtocols: [], verification: null },
        agentAsClient,
      },
    ]);
  });

  test("of a port that is listed twice the last entry counts", () => {
    const { settings } = read(encode([entry, { ...entry, agentAsClient: { verification: { acceptAnyCert: true } } }]));
    assert.deepEqual(
      settings.stealTls.map((port) => port.agentAsClient.verification.acceptAnyCert),
      [true],
    );
  });

  test("a bad value is a problem that says where, without the value", () => {
    const bad: readonly (readonly [string, string])[] = [
      ["c2VjcmV0cw==", "it is not base64 without padding"],
      ["se cret", "it is not base64 without padding"],
      [Buffer.from("secrets").toString("base64url").replaceAll("=", ""), "it does not hold JSON"],
      [encode({ secret: 1 }), "the list is not an array"],
      [encode([{ ...entry, port: 65_536 }]), "entry 0: port is not a port"],
      [encode([entry, { ...entry, agentAsServer: {} }]), "entry 1: agentAsServer.authentication is not an object"],
      [
        encode([{ ...entry, agentAsClient: { verification: { trustRoots: ["secret", 1] } } }]),
        "entry 0: agentAsClient.verification.trustRoots is not a text",
      ],
    ];
    for (const [text, expected] of bad) {
      const { settings, problems } = read(text);
      assert.deepEqual(settings.stealTls, []);
      assert.deepEqual(problems, [{ variable: "MIRRORD_AGENT_STEAL_TLS_CONFIG", text: expected }]);
    }
  });
});
