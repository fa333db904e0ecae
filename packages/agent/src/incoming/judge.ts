// Who gets a request, by the subscriptions of its port: the oldest one that matches steals it, all that match and only listen get a copy. Filters answer at once nearly
// always, and then so does this; where one must ask elsewhere, the answer comes later and follows the subscriptions as they are by then. It sends nothing of the request.

import type { VersionGate } from "@understudy/protocol";
import type { Arrival } from "./arrival.ts";
import type { FilterInput } from "./http/filter/filterInput.ts";
import type { Mirrorer, PortSubscriptions, Stealer, Subscription } from "./subscriptions.ts";

/** Who gets a request. */
export interface Judgement {
  readonly stealer: Stealer | null;
  readonly mirrorers: readonly Mirrorer[];
  /** Those of whom it is not known yet whether they get a copy. Empty unless asked for. */
  readonly late: readonly LateMirrorer[];
}

/** One who may listen, and whom nobody waits for. */
export interface LateMirrorer {
  readonly subscriber: Mirrorer;
  readonly filter: Filter;
  /** What the filter will say; null when it must see the body before it is asked. */
  readonly verdict: Promise<boolean> | null;
}

export interface SubscriptionSource {
  /** The subscriptions of a port; null when there are none. */
  subscriptionsOf(port: number): PortSubscriptions | null;
}

type Filter = NonNullable<Subscription<unknown>["filter"]>;
type Verdict = boolean | Promise<boolean>;

interface Answer {
  readonly filter: Filter | null;
  readonly verdict: Verdict;
}

interface Request {
  readonly port: number;
  readonly input: FilterInput;
  readonly need: ClientNeed | null;
  readonly late: readonly LateMirrorer[];
}

/** What a client with a filter must have announced to take some requests. */
export interface ClientNeed {
  readonly gate: VersionGate;
  readonly version: string;
}

const UPGRADES: ClientNeed = { gate: "httpFilteredUpgrade", version: "1.5.0" };
const TLS: ClientNeed = { gate: "httpChunkedRequestV2", version: "1.19.0" };

/** What it takes to be given a request of a connection. */
export function clientNeed({ tls }: Arrival, hasUpgrade: boolean): ClientNeed | null {
  if (tls !== null) return TLS;
  return hasUpgrade ? UPGRADES : null;
}

/** No filter of a list wants a request. */
const NO_ONE: readonly boolean[] = [];

/** It goes to the target, and nobody listens. */
export const NOBODY: Judgement = { stealer: null, mirrorers: [], late: [] };

/**
 * Who gets a request that arrived on `port`. Where the answer is a promise, `input` must stay good until it is settled; it never rejects. Clients that left meanwhile get
 * nothing then, and neither do those that came with a filter. `mayBeLate`: who only listens is not waited for; `input` must then stay good for those in `late`, too.
 */
export function judge(
  source: SubscriptionSource,
  port: number,
  input: FilterInput,
  need: ClientNeed | null,
  mayBeLate = false,
): Judgement | Promise<Judgement> {
  const subscriptions = source.subscriptionsOf(port);
  if (subscriptions === null) return NOBODY;
  // Every filter is asked, also behind one that matches: those who lose a request to another are told.
  const stealing = verdicts(subscriptions.stealers, input);
  const late: LateMirrorer[] = [];
  const listening = mayBeLate ? verdictsAtOnce(subscriptions.mirrorers, input, late) : verdicts(subscriptions.mirrorers, input);
  if (stealing === NO_ONE && listening === NO_ONE && late.length === 0) return NOBODY;
  const request: Request = { port, input, need, late };
  if (areAllKnown(stealing) && areAllKnown(listening)) {
    return choose(subscriptions, request, stealing, listening);
  }
  return judgeLater(source, request, [...answered(subscriptions.stealers, stealing), ...answered(subscriptions.mirrorers, listening)]);
}

/** Where it is noted what filters cost. */
export interface FilterClock {
  readonly work: { begin(what: string): number };
  filtersTook(port: number, ms: number): void;
}

/** As `judge`, where who only listens may be late. Notes how long the filters took; `thenWork` names what the event loop goes on with. */
export function judgeTimed(
  source: SubscriptionSource & FilterClock,
  port: number,
  input: FilterInput,
  need: ClientNeed | null,
  thenWork: string,
): Judgement | Promise<Judgement> {
  const beganMs = source.work.begin("filters");
  const judgement = judge(source, port, input, need, true);
  source.filtersTook(port, source.work.begin(thenWork) - beganMs);
  return judgement;
}

/** Whether a filter of the port looks at bodies: a request is then judged when its body is there, within limits. `mayBeLate`: as in `judge`. */
export function needsBody(source: SubscriptionSource, port: number, mayBeLate = false): boolean {
  const subscriptions = source.subscriptionsOf(port);
  if (subscriptions === null) return false;
  return subscriptions.stealers.some(looksAtBody) || (!mayBeLate && subscriptions.mirrorers.some(looksAtBody));
}

function looksAtBody({ filter }: Subscription<unknown>): boolean {
  return filter?.needsBody === true;
}

async function judgeLater(source: SubscriptionSource, request: Request, pending: readonly Answer[]): Promise<Judgement> {
  const settled = await Promise.all(pending.map(({ verdict }) => Promise.resolve(verdict)));
  const matching = new Set(pending.filter((_, index) => settled[index]).map(({ filter }) => filter));
  const subscriptions = source.subscriptionsOf(request.port);
  if (subscriptions === null) return NOBODY;
  const isMatching = ({ filter }: Subscription<unknown>): boolean => filter === null || matching.has(filter);
  return choose(subscriptions, request, subscriptions.stealers.map(isMatching), subscriptions.mirrorers.map(isMatching));
}

/** What each filter of a list says. Nearly always that is no, of all of them. */
function verdicts(list: readonly Subscription<unknown>[], input: FilterInput): readonly Verdict[] {
  let found: Verdict[] | null = null;
  for (let i = 0; i < list.length; i++) {
    const { filter } = list[i]!;
    const verdict: Verdict = filter === null || filter.matches(input);
    if (verdict !== false) found ??= list.map(() => false);
    if (found !== null) found[i] = verdict;
  }
  return found ?? NO_ONE;
}

/** Those that do not answer at once are put into `late`. */
function verdictsAtOnce(list: readonly Subscription<Mirrorer>[], input: FilterInput, late: LateMirrorer[]): readonly boolean[] {
  if (list.length === 0) return NO_ONE;
  return list.map(({ subscriber, filter }) => {
    if (filter === null) return true;
    const verdict = filter.needsBody ? null : filter.matches(input);
    if (typeof verdict === "boolean") return verdict;
    late.push({ subscriber, filter, verdict });
    return false;
  });
}

function areAllKnown(list: readonly Verdict[]): list is readonly boolean[] {
  return list.every((verdict) => typeof verdict === "boolean");
}

function answered(list: readonly Subscription<unknown>[], said: readonly Verdict[]): readonly Answer[] {
  return list.map(({ filter }, index) => ({ filter, verdict: said[index] ?? false }));
}

function choose(
  subscriptions: PortSubscriptions,
  request: Request,
  stealing: readonly boolean[],
  listening: readonly boolean[],
): Judgement {
  const { owner } = subscriptions;
  const stealer = owner === null ? firstAble(subscriptions.stealers, request, stealing) : ableOwner(owner);
  const mirrorers: Mirrorer[] = [];
  for (const [index, { subscriber }] of subscriptions.mirrorers.entries()) if (listening[index]) mirrorers.push(subscriber);
  const { late } = request;
  return stealer === null && mirrorers.length === 0 && late.length === 0 ? NOBODY : { stealer, mirrorers, late };
}

function ableOwner(owner: Stealer): Stealer | null {
  const { link } = owner;
  if (!link.allows("modeAgnosticHttpRequests")) {
    link.tell("error", "An HTTP request was not stolen due to mirrord-protocol version requirement: >=1.19.4");
    return null;
  }
  if (link.mayBegin) return owner;
  owner.passedOver();
  return null;
}

/** The oldest of those that match, if its client can take such a request. Those that match in vain are told. */
function firstAble(
  stealers: readonly Subscription<Stealer>[],
  { port, input, need }: Request,
  isMatching: readonly boolean[],
): Stealer | null {
  let found: Stealer | null = null;
  for (const [index, { subscriber }] of stealers.entries()) {
    if (!isMatching[index]) continue;
    const { link } = subscriber;
    // No header values: they may be secrets of the one who asks.
    const what = (): string => `METHOD=(${input.method}) URI=(${input.pathAndQuery?.text ?? ""}) PORT=(${port})`;
    if (found !== null) link.tell("warn", `An HTTP request was stolen by another user. ${what()}`);
    else if (!link.mayBegin) subscriber.passedOver();
    else if (need === null || link.allows(need.gate)) found = subscriber;
    else link.tell("error", `An HTTP request was not stolen due to mirrord-protocol version requirement: >=${need.version}. ${what()}`);
  }
  return found;
}
