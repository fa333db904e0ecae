// What tests of stolen traffic share: filters by a header, and answers that say who gave them.

import type { StealOptions, StolenResponse } from "@understudy/client";
import { textResponse } from "@understudy/client";

/** The header that filters of these tests look at. */
const USER = "x-user";

/** Headers of a request that `wantedBy(user)` wants. */
export function as(user: string): Record<string, string> {
  return { [USER]: user };
}

export function wantedBy(user: string): NonNullable<StealOptions["filter"]> {
  return { kind: "header", value: `^${USER}: ${user}$` };
}

/** Answers with a name and the path. */
export function answerAs(name: string): (request: { readonly uri: string }) => StolenResponse {
  return ({ uri }) => textResponse(200, `${name} ${uri}`);
}
