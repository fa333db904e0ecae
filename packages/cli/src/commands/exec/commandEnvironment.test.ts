// Which variables a command sees.

import assert from "node:assert/strict";
import { test } from "node:test";
import { commandEnvironment } from "./commandEnvironment.ts";

const none = { target: null, keep: [], proxies: null } as const;

test("the target's variables go over this machine's, but for what says where this machine has its things", () => {
  const own = { PATH: "/bin", HOME: "/home/me", LC_ALL: "C", DATABASE: "mine", MODE: "mine", EMPTY: undefined };
  const target = new Map([
    ["PATH", "/app/bin"],
    ["LD_PRELOAD", "/app/lib.so"],
    ["LC_TIME", "de"],
    ["DATABASE", "postgres://db"],
    ["MODE", "production"],
  ]);
  assert.deepEqual(commandEnvironment({ ...none, own, target, keep: ["MODE"] }), {
    PATH: "/bin",
    HOME: "/home/me",
    LC_ALL: "C",
    DATABASE: "postgres://db",
    MODE: "mine",
  });
  assert.deepEqual(commandEnvironment({ ...none, own: { A: "1" } }), { A: "1" });
});

test("proxies replace those of either side, in both cases", () => {
  const target = new Map([
    ["HTTP_PROXY", "http://target"],
    ["no_proxy", "*"],
  ]);
  const env = commandEnvironment({
    own: { https_proxy: "http://mine" },
    target,
    keep: [],
    proxies: { socks: "127.0.0.1:1", http: "127.0.0.1:2" },
  });
  assert.deepEqual(env, {
    ALL_PROXY: "socks5h://127.0.0.1:1",
    all_proxy: "socks5h://127.0.0.1:1",
    HTTP_PROXY: "http://127.0.0.1:2",
    http_proxy: "http://127.0.0.1:2",
    HTTPS_PROXY: "http://127.0.0.1:2",
    https_proxy: "http://127.0.0.1:2",
    NO_PROXY: "localhost,127.0.0.1,::1",
    no_proxy: "localhost,127.0.0.1,::1",
    NODE_USE_ENV_PROXY: "1",
  });
});
