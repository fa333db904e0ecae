// What the report of a pause would name: the work that held the event loop up, with a function that blocks put in the place of a part of the agent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createFilterServices } from "../incoming/http/filter/filterServices.ts";
import { CurrentWork } from "../task/currentWork.ts";
import { GET, manualTarget, stealBy } from "./incomingActorsFixture.ts";
import { PodUnderTest } from "./incomingFixture.ts";
import { AgentUnderTest } from "./sessionFixture.ts";

const BLOCKED_MS = 150;

function block(): void {
  const until = performance.now() + BLOCKED_MS;
  while (performance.now() < until);
}

/** Does it and returns what is named for the pause in it. */
async function namedIn(work: CurrentWork, act: () => Promise<unknown>): Promise<string> {
  work.takeLongest();
  await act();
  const { what, ms } = work.takeLongest();
  assert.ok(ms >= BLOCKED_MS, `${what} took ${ms} ms`);
  return what;
}

test("a file request, among other messages of the same client", async () => {
  await using agent = await AgentUnderTest.start({
    handleFile: () => {
      block();
      return Promise.resolve(undefined);
    },
  });
  using client = await agent.client();
  const what = await namedIn(agent.work, async () => {
    client.send(
      { kind: "ping" },
      { kind: "fileRequest", value: { kind: "close", value: { fd: 1 } } },
      { kind: "ping" },
      { kind: "getEnvVarsRequest", value: { envVarsFilter: new Set(), envVarsSelect: new Set() } },
    );
    await client.next("getEnvVarsResponse");
  });
  assert.equal(what, "fileRequest");
});

test("a lookup", async () => {
  await using agent = await AgentUnderTest.start({
    lookup: () => {
      block();
      return Promise.resolve([]);
    },
  });
  using client = await agent.client();
  const what = await namedIn(agent.work, async () => {
    client.send({ kind: "getAddrInfoRequest", value: { node: "name" } }, { kind: "ping" });
    await client.next("getAddrInfoResponse");
  });
  assert.equal(what, "getAddrInfoRequest");
});

test("a lookup among many messages of one kind before and behind it, for whose sake the clock is not read", async () => {
  await using agent = await AgentUnderTest.start({
    lookup: () => {
      block();
      return Promise.resolve([]);
    },
  });
  using client = await agent.client();
  const pings = Array.from({ length: 10 }, () => ({ kind: "ping" }) as const);
  const what = await namedIn(agent.work, async () => {
    client.send(...pings, { kind: "getAddrInfoRequest", value: { node: "name" } }, ...pings);
    await client.next("getAddrInfoResponse");
  });
  assert.equal(what, "getAddrInfoRequest");
});

test("a filter, between the bytes of a request and its way to the target", async () => {
  const target = manualTarget();
  const work = new CurrentWork();
  const matches = (): Promise<boolean> => {
    block();
    return Promise.resolve(false);
  };
  const filters = createFilterServices({
    jq: { compile: () => Promise.resolve({ matches, [Symbol.dispose]: () => undefined }) },
  });
  await using pod = await PodUnderTest.start(target.server, { filters, work });
  using client = await pod.client();
  await stealBy(pod, client, { kind: "headerJq", value: "." });
  using peer = await pod.peer();
  const what = await namedIn(work, async () => {
    peer.write(GET("/"));
    await (await target.next()).until((text) => text === GET("/"));
  });
  assert.equal(what, "filters");
});
