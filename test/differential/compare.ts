// Two recordings of one scenario, field by field.

import type { Json } from "@understudy/protocol";
import type { NormalForm } from "./normalise.ts";

/** One place where the agents differ. */
export interface Divergence {
  readonly scenario: string;
  /** The requests of the step, as JSON. */
  readonly request: string;
  /** The way to the field in the step's answers: `[0].File.Open`. */
  readonly field: string;
  /** The field's value as JSON. */
  readonly reference: string;
  readonly ours: string;
}

export function divergences(scenario: string, reference: Pick<NormalForm, "answers" | "closedInStep">, ours: NormalForm): Divergence[] {
  const found: Divergence[] = [];
  for (const [number, requests] of ours.requests.entries()) {
    const step = `step ${number}: ${JSON.stringify(requests.length === 1 ? requests[0] : requests)}`;
    const report = (field: string, theirs: Json, our: Json): void =>
      void found.push({ scenario, request: step, field, reference: JSON.stringify(theirs), ours: JSON.stringify(our) });
    walk("", reference.answers[number] ?? [], ours.answers[number] ?? [], report);
  }
  if (reference.closedInStep !== ours.closedInStep) {
    found.push({
      scenario,
      request: "connection",
      field: "closedInStep",
      reference: `${reference.closedInStep}`,
      ours: `${ours.closedInStep}`,
    });
  }
  return found;
}

function walk(field: string, reference: Json, ours: Json, report: (field: string, reference: Json, ours: Json) => void): void {
  if (JSON.stringify(reference) === JSON.stringify(ours)) return;
  if (Array.isArray(reference) && Array.isArray(ours) && reference.length === ours.length) {
    for (const [i, item] of reference.entries()) walk(`${field}[${i}]`, item as Json, ours[i] as Json, report);
    return;
  }
  if (isObject(reference) && isObject(ours) && sameKeys(reference, ours)) {
    for (const [name, item] of Object.entries(reference)) walk(`${field}.${name}`, item, ours[name]!, report);
    return;
  }
  report(field, reference, ours);
}

function isObject(json: Json): json is Readonly<Record<string, Json>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function sameKeys(one: object, other: object): boolean {
  return Object.keys(one).toSorted().join() === Object.keys(other).toSorted().join();
}
