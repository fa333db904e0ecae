// Which versions of the protocol a filter needs: an agent that does not know a kind of filter can only drop the session.

import type { HttpFilter, VersionGate } from "@understudy/protocol";

/** The gates of a filter and of those inside it, each with its name for a user. */
export function* filterGates(filter: HttpFilter): Generator<{ readonly gate: VersionGate; readonly what: string }> {
  switch (filter.kind) {
    case "header":
    case "path":
      return;
    case "composite":
      yield { gate: "httpCompositeFilter", what: "a filter made of several" };
      for (const inner of filter.value.filters) yield* filterGates(inner);
      return;
    case "method":
      yield { gate: "httpMethodFilter", what: "a filter by method" };
      return;
    case "body":
      yield { gate: "httpBodyJsonFilter", what: "a filter by body" };
      return;
    case "headerJq":
      yield { gate: "httpHeaderJqFilter", what: "a filter by jq" };
  }
}
