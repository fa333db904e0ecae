// The story of the demo, step by step. Each step does what it tells, checks the outcome and prints what came back; an outcome that is not
// what the step promises is an error, so a demo that ends well has shown all of it.

import { connectAgent, type Session, type Subscription } from "@understudy/client";
import type { Style } from "../output.ts";
import { AGENT_PORT, agentCommandLine, startAgent } from "./agentProcess.ts";
import { answerFromLaptop, LAPTOP } from "./laptop.ts";
import type { Narrator } from "./narrator.ts";
import { Pod } from "./pod.ts";
import { type Program, unlessAborted } from "./programs.ts";
import { CONFIG_PATH, PAYMENTS_PORT, SHOP_PORT } from "./shopSettings.ts";
import { type Answer, visit, type Visit } from "./visit.ts";

const SHOP = "the shop";
const OTHER_VISITS = 100;
const coffee: Visit = { path: "/products/2" };
const mine = { "x-demo": "me" };
const order: Visit = { method: "POST", path: "/cart", body: JSON.stringify({ product: 2, quantity: 3 }) };

export interface TourOptions {
  /** Stay until `signal` aborts, with everything running. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

/** Resolves when the story is told and everything it made is gone. Rejects with what went wrong, or the reason of `signal`; nothing is left then, either. */
export async function tour(narrator: Narrator, { keep, signal }: TourOptions): Promise<void> {
  const startedAt = performance.now();
  narrator.title("understudy: a service runs in a pod, and your laptop stands in for it");
  await using pod = await makePod(narrator, signal);
  const agent = await startBeside(pod, narrator, signal);
  const before = await visitTarget(pod, narrator, signal);
  await using session = await connectAgent({ host: pod.addresses.pod, port: AGENT_PORT, signal });
  {
    await using _stolen = await steal(pod, session, narrator, signal);
    await visitAsOthers(pod, before, narrator, signal);
    await lookAround(session, narrator);
    await reachPayments(session, narrator, signal);
  }
  await giveBack(pod, before, narrator, signal);
  if (keep) return await stay(pod, session, narrator, signal);
  await leave(pod, agent, session, narrator, signal);
  await pod[Symbol.asyncDispose]();
  signal.throwIfAborted();
  summarize(narrator, performance.now() - startedAt);
}

async function makePod(narrator: Narrator, signal: AbortSignal): Promise<Pod> {
  narrator.step("A shop runs in a pod: network, processes and /etc of its own");
  const pod = await Pod.make(signal);
  const { pod: address, pod6, inside } = pod.addresses;
  narrator.fact("the shop", `http://${address}${pod.hasIpv6 ? ` and http://[${pod6}]` : ""}, process 1 of the pod`);
  narrator.fact("payments", `http://${inside}:${PAYMENTS_PORT}, for the pod only: this machine has no route to it`);
  return pod;
}

async function startBeside(pod: Pod, narrator: Narrator, signal: AbortSignal): Promise<Program> {
  narrator.step("The agent starts beside it, as an ephemeral container would");
  const startedAt = performance.now();
  narrator.fact("command", agentCommandLine);
  const { agent, readyLine } = await startAgent(pod, signal);
  narrator.fact("agent", `${readyLine}, after ${Math.round(performance.now() - startedAt)} ms`);
  return agent;
}

async function visitTarget(pod: Pod, narrator: Narrator, signal: AbortSignal): Promise<Answer> {
  narrator.step("As long as nobody steals, the shop answers everybody");
  const seen = await see(narrator, pod, coffee, SHOP, signal);
  await see(narrator, pod, { ...coffee, headers: mine }, SHOP, signal);
  return seen;
}

async function steal(pod: Pod, session: Session, narrator: Narrator, signal: AbortSignal): Promise<Subscription> {
  narrator.step("You steal the requests that carry x-demo: me. Your laptop answers them");
  const stolen = await session.steal(SHOP_PORT, { filter: { kind: "header", value: "^x-demo: me$" }, onRequest: answerFromLaptop });
  try {
    narrator.fact("session", `protocol ${session.version}; the agent redirects port ${SHOP_PORT} by ${await tablesText(pod)}`);
    await see(narrator, pod, { ...coffee, headers: mine }, LAPTOP, signal);
    await see(narrator, pod, { ...order, headers: mine }, LAPTOP, signal);
    if (pod.hasIpv6) await see(narrator, pod, { ...coffee, headers: mine, note: "IPv6" }, LAPTOP, signal, pod.addresses.pod6);
    return stolen;
  } catch (error) {
    await stolen.close();
    throw error;
  }
}

async function visitAsOthers(pod: Pod, before: Answer, narrator: Narrator, signal: AbortSignal): Promise<void> {
  narrator.step("Meanwhile all others get the shop, and do not notice");
  await see(narrator, pod, { ...coffee, headers: { "x-demo": "you" } }, SHOP, signal);
  await see(narrator, pod, order, SHOP, signal);
  const durations: number[] = [];
  let added: readonly string[] = [];
  for (let i = 0; i < OTHER_VISITS; i++) {
    const startedAt = performance.now();
    added = addedHeaders(await visit(shopOf(pod), coffee, signal), before);
    durations.push(performance.now() - startedAt);
  }
  const median = durations.toSorted((a, b) => a - b)[OTHER_VISITS / 2] ?? 0;
  narrator.text(`${OTHER_VISITS} more, ${median.toFixed(1)} ms each: the same status, headers and body as in step 3`);
  // While a port is stolen from, answers depend on who asks, which caches must know.
  if (added.length > 0) narrator.text(`(plus one header for caches, the agent's default: ${added.join(", ")})`);
}

async function lookAround(session: Session, narrator: Narrator): Promise<void> {
  narrator.step("Your process sees the environment and the files of the shop");
  const environment = await session.env({ select: ["SHOP_*", "DATABASE_URL"] });
  expect(environment.size === 2, `two environment variables, not ${environment.size}`);
  for (const [name, value] of environment) narrator.fact("environment", `${name}=${value}`);
  const contents = await session.files.readFile(CONFIG_PATH, "utf8");
  expect(contents.startsWith("{"), `the shop's configuration, not ${contents}`);
  narrator.fact("file", `${CONFIG_PATH}: ${contents.trim()}`);
}

async function reachPayments(session: Session, narrator: Narrator, signal: AbortSignal): Promise<void> {
  narrator.step("It looks up names and connects from where the shop is");
  const [found] = await session.lookup("payments");
  expect(found !== undefined, "an address of payments, not none");
  narrator.fact("name", `payments is ${found.ip}, says the pod's /etc/hosts`);
  const connection = await session.connectTcp({ ip: found.ip, port: PAYMENTS_PORT }, { signal });
  const asked: Visit = { path: "/status" };
  const answer = await visit({ connection }, asked, signal);
  narrator.visit(asked, answer, "cyan");
  expect(answer.answeredBy === "payments", `an answer of payments, not of ${answer.answeredBy}`);
}

async function giveBack(pod: Pod, before: Answer, narrator: Narrator, signal: AbortSignal): Promise<void> {
  narrator.step("You stop stealing: your requests are the shop's again");
  expectSame(await see(narrator, pod, { ...coffee, headers: mine }, SHOP, signal), before);
}

async function leave(pod: Pod, agent: Program, session: Session, narrator: Narrator, signal: AbortSignal): Promise<void> {
  narrator.step("You leave. The agent ends with its last client, and no trace of it stays");
  await session[Symbol.asyncDispose]();
  narrator.fact("agent", `ended with ${await unlessAborted(agent.ended, signal)}`);
  const tables = await pod.filterTables();
  narrator.fact("rules", `nft list tables: ${tables.join(", ") || "none"}`);
  expect(tables.length === 0, `no rule to stay, not ${tables.join(", ")}`);
}

async function stay({ addresses: { pod } }: Pod, session: Session, narrator: Narrator, signal: AbortSignal): Promise<void> {
  narrator.gap();
  narrator.title("All of it keeps running until Ctrl-C. From another terminal:");
  narrator.text(`curl http://${pod}/products`);
  narrator.text(`bin/understudy steal ${SHOP_PORT} --to localhost:3000 --agent ${pod}:${AGENT_PORT} --header '^x-demo: me$'`);
  narrator.text(`curl -H 'x-demo: me' http://${pod}/products        # answered by your server on port 3000`);
  // The session ends with the signal, or breaks.
  const lost = await session.closed;
  if (!signal.aborted) throw lost;
}

function summarize(narrator: Narrator, durationMs: number): void {
  narrator.gap();
  narrator.title(`Done in ${(durationMs / 1000).toFixed(1)} s; the pod is gone. You have seen`);
  narrator.text("one visitor's requests answered by your process, everybody else's by the shop, unchanged;");
  narrator.text("the shop's environment, files, names and network from outside; and no trace afterwards.");
  narrator.gap();
  narrator.title("What to try next");
  narrator.text("bin/understudy demo --keep         the same pod, for your own curl and your own server");
  narrator.text("bin/understudy steal 80 --to localhost:3000 --agent HOST:61337 --header '^x-demo: me$'");
  narrator.text("                                   with an agent in a cluster, through kubectl port-forward");
  narrator.text("README.md                          how to use it with mirrord, and how it works");
}

/** One visit from this machine, over the cable; printed and checked. */
async function see(narrator: Narrator, pod: Pod, what: Visit, from: string, signal: AbortSignal, host?: string): Promise<Answer> {
  const answer = await visit({ ...shopOf(pod), ...(host === undefined ? {} : { host }) }, what, signal);
  const style: Style = answer.answeredBy === LAPTOP ? "yellow" : "green";
  narrator.visit(what, answer, style);
  expect(answer.answeredBy === from && answer.status < 300, `an answer of ${from}, not ${answer.status} of ${answer.answeredBy}`);
  return answer;
}

function shopOf(pod: Pod): { readonly host: string; readonly port: number } {
  return { host: pod.addresses.pod, port: SHOP_PORT };
}

async function tablesText(pod: Pod): Promise<string> {
  const tables = await pod.filterTables();
  expect(tables.length > 0, "a rule of the agent, not none");
  return tables.join(", ");
}

/** What an answer has beside all that the earlier one had: nothing but a header for caches may be new. */
function addedHeaders(answer: Answer, before: Answer): readonly string[] {
  const at = answer.rawHeaders.indexOf("cache-control");
  const cacheHeader = at === -1 ? [] : answer.rawHeaders.slice(at, at + 2);
  expectSame({ ...answer, rawHeaders: answer.rawHeaders.toSpliced(at, cacheHeader.length) }, before);
  return cacheHeader.length === 0 ? [] : [cacheHeader.join(": ")];
}

function expectSame(answer: Answer, before: Answer): void {
  const [now, then] = [answer, before].map((one) => JSON.stringify(one));
  expect(now === then, `the same answer as before, ${then}, not ${now}`);
}

/** @throws Error unless what a step promises is so. */
function expect(isSo: boolean, expected: string): asserts isSo {
  if (!isSo) throw new Error(`the demo expected ${expected}`);
}
