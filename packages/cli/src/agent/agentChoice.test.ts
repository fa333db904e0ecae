// What options and sections of files mean.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { UsageError } from "../usageError.ts";
import {
  type AgentChoice,
  type AgentOptions,
  choiceOf,
  choiceText,
  localChoiceOf,
  parseName,
  parsePid,
  parsePodName,
} from "./agentChoice.ts";
import { type AgentSection, optionsOf, sectionOf } from "./agentSection.ts";

const choices: readonly [AgentSection, string][] = [
  [{ address: "[::1]:61337" }, "--agent [::1]:61337"],
  [{ pod: "shop-1/web", image: "agent:1" }, "--pod shop-1/web"],
  [
    { deployment: "shop", context: "minikube", namespace: "staging", image: "agent:1", ephemeral: true },
    "--deployment shop --context minikube --namespace staging --ephemeral",
  ],
  [{ netns: "shop" }, "--netns shop"],
  [{ pid: 42, binary: "/opt/agent" }, "--pid 42"],
  [{ docker: "web" }, "--docker web"],
];

suite("which agent", () => {
  test("every choice has a text, and survives being written down", () => {
    for (const [section, text] of choices) {
      const choice: AgentChoice | null = choiceOf(optionsOf(section));
      assert.ok(choice !== null);
      assert.equal(choiceText(choice), text);
      assert.deepEqual(sectionOf(choice), section);
    }
    assert.equal(choiceOf({ config: "x.yaml" }), null);
  });

  test("options that do not go together are usage errors", () => {
    const agent = { host: "a", port: 1 };
    const pod = { name: "shop", container: null };
    const wrong: readonly (readonly [AgentOptions, RegExp])[] = [
      [{ agent, pid: 1 }, /one of --agent and --pid/],
      [{ netns: "a", docker: "b", pid: 1 }, /one of --netns and --pid and --docker/],
      [{ agent, namespace: "x" }, /--namespace goes with --pod or --deployment, not with --agent/],
      [{ pid: 1, context: "x" }, /--context goes with/],
      [{ docker: "x", ephemeral: true }, /--ephemeral goes with/],
      [{ pod }, /--agent-image/],
    ];
    for (const [options, reason] of wrong) {
      assert.throws(
        () => choiceOf(options),
        (error) => error instanceof UsageError && reason.test(error.message),
      );
    }
    assert.throws(() => localChoiceOf({ netns: "a", pid: 1 }), /--netns and --pid/);
  });

  test("names and ids are taken or refused with a reason", () => {
    assert.deepEqual(parsePodName("shop"), { name: "shop", container: null });
    assert.deepEqual(parsePodName("shop/web"), { name: "shop", container: "web" });
    for (const text of ["", "/", "/web", "shop/", "a/b/c"]) assert.throws(() => parsePodName(text), /NAME\/CONTAINER/, text);
    assert.equal(parsePid("1"), 1);
    for (const text of ["0", "-1", "1.5", "self", "", "12345678"]) assert.throws(() => parsePid(text), /whole number/, text);
    assert.equal(parseName("shop_1.a"), "shop_1.a");
    for (const text of ["", "..", "a/b", "-x", "a b"]) assert.throws(() => parseName(text), /plain name/, text);
  });
});
