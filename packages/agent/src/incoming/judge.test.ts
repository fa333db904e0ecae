// Who gets a request: order, versions, clients without room, and filters that answer later.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { VersionGate } from "@understudy/protocol";
import type { CompiledFilter } from "./http/filter/compiledFilter.ts";
import { HeaderListInput } from "./http/filter/filterInput.ts";
import { judge, type Judgement, needsBody, NOBODY } from "./judge.ts";
import { type Mirrorer, PortSubscriptions, type Stealer } from "./subscriptions.ts";

const UPGRADE = { gate: "httpFilteredUpgrade", version: "1.5.0" } as const;
const REQUEST = new HeaderListInput("GET", "/path?q", [["x-user", "me"]]);
const PORT = 80;

interface Told {
  readonly texts: string[];
  passedOver: number;
}

/** A client of which only what judging looks at is there. */
function client({ gates = [] as VersionGate[], hasAll = true, mayBegin = true } = {}): Stealer & Mirrorer & { told: Told } {
  const told: Told = { texts: [], passedOver: 0 };
  const link = {
    allows: (gate: VersionGate) => hasAll || gates.includes(gate),
    mayBegin,
    tell: (_level: string, text: string) => void told.texts.push(text),
  };
  const passedOver = (): void => void (told.passedOver += 1);
  return { link, told, passedOver } as unknown as Stealer & Mirrorer & { told: Told };
}

function filter(answer: boolean | Promise<boolean>, looksAtBody = false): CompiledFilter {
  return { needsBody: looksAtBody, matches: () => answer, [Symbol.dispose]: () => undefined };
}

function source(subscriptions: PortSubscriptions): { subscriptionsOf: () => PortSubscriptions | null } {
  return { subscriptionsOf: () => (subscriptions.isEmpty ? null : subscriptions) };
}

function atOnce(judgement: Judgement | Promise<Judgement>): Judgement {
  assert.ok(!(judgement instanceof Promise));
  return judgement;
}

test("the oldest subscription that matches gets the request, and every later match is told", () => {
  const port = new PortSubscriptions();
  const [other, first, second] = [client(), client(), client()];
  port.steal({ subscriber: other, filter: filter(false) });
  port.steal({ subscriber: first, filter: filter(true) });
  port.steal({ subscriber: second, filter: filter(true) });
  assert.equal(atOnce(judge(source(port), PORT, REQUEST, null)).stealer, first);
  assert.deepEqual([other.told.texts, first.told.texts], [[], []]);
  assert.deepEqual(second.told.texts, ["An HTTP request was stolen by another user. METHOD=(GET) URI=(/path?q) PORT=(80)"]);
});

test("a client that is too old, or has no room, is told and leaves the request to the next one", () => {
  const port = new PortSubscriptions();
  const [old, full, able] = [client({ hasAll: false }), client({ mayBegin: false }), client()];
  for (const subscriber of [old, full, able]) port.steal({ subscriber, filter: filter(true) });
  assert.equal(atOnce(judge(source(port), PORT, REQUEST, UPGRADE)).stealer, able);
  assert.match(old.told.texts[0] ?? "", /^An HTTP request was not stolen due to mirrord-protocol version requirement: >=1\.5\.0\. METHOD/);
  assert.equal(full.told.passedOver, 1);
});

test("the owner of a port gets every request, if it knows the form and has room", () => {
  for (const [owner, gets] of [
    [client(), true],
    [client({ hasAll: false }), false],
    [client({ mayBegin: false }), false],
  ] as const) {
    const port = new PortSubscriptions();
    port.steal({ subscriber: owner, filter: null });
    assert.equal(atOnce(judge(source(port), PORT, REQUEST, UPGRADE)).stealer, gets ? owner : null);
    assert.equal(owner.told.texts.length + owner.told.passedOver, gets ? 0 : 1);
  }
});

test("a filter that answers later keeps its place, and who left or came meanwhile gets nothing", async () => {
  const port = new PortSubscriptions();
  const [leaves, first, second, comes] = [client(), client(), client(), client()];
  const slow = Promise.withResolvers<boolean>();
  port.steal({ subscriber: leaves, filter: filter(true) });
  port.steal({ subscriber: first, filter: filter(slow.promise) });
  port.steal({ subscriber: second, filter: filter(true) });
  const judgement = judge(source(port), PORT, REQUEST, null);
  port.unsteal(leaves);
  port.steal({ subscriber: comes, filter: filter(true) });
  slow.resolve(true);
  assert.equal((await judgement).stealer, first);
  assert.equal(second.told.texts.length, 1);
  assert.equal(comes.told.texts.length, 0);
});

test("a request is nobody's when all who wanted something of its port have left by the time a filter answers", async () => {
  const port = new PortSubscriptions();
  const [leaves, listens] = [client(), client()];
  const slow = Promise.withResolvers<boolean>();
  port.steal({ subscriber: leaves, filter: filter(slow.promise) });
  port.mirror({ subscriber: listens, filter: null });
  const judgement = judge(source(port), PORT, REQUEST, null);
  port.unsteal(leaves);
  port.unmirror(listens);
  slow.resolve(true);
  assert.deepEqual(await judgement, NOBODY);
});

test("who only listens is not waited for where that is asked for", async () => {
  const port = new PortSubscriptions();
  const [quick, slow, reader] = [client(), client(), client()];
  const answer = Promise.resolve(true);
  port.mirror({ subscriber: quick, filter: filter(true) });
  port.mirror({ subscriber: slow, filter: filter(answer) });
  port.mirror({ subscriber: reader, filter: filter(true, true) });
  const judgement = atOnce(judge(source(port), PORT, REQUEST, null, true));
  assert.deepEqual(judgement.mirrorers, [quick]);
  assert.deepEqual(
    judgement.late.map(({ subscriber, verdict }) => [subscriber, verdict]),
    [
      [slow, answer],
      [reader, null],
    ],
  );
  assert.deepEqual((await judge(source(port), PORT, REQUEST, null)).mirrorers, [quick, slow, reader]);
  assert.equal(needsBody(source(port), PORT), true);
  assert.equal(needsBody(source(port), PORT, true), false);
});
