// Which content codings (RFC 9110, section 8.4) a request names. `decodeBody.ts` takes them off.

import type { FilterInput } from "../filterInput.ts";

const HEADER = "content-encoding";

/** The request's content codings in the order in which they were applied; none when it has none. */
export function contentCodings(request: FilterInput): readonly string[] {
  const codings: string[] = [];
  for (let i = 0; i < request.headerCount; i++) {
    if (!request.isNamed(i, HEADER)) continue;
    for (const coding of request
      .headerLine(i)
      ?.lower.slice(HEADER.length + 1)
      .split(",") ?? ["?"])
      codings.push(coding.trim());
  }
  return codings.filter((coding) => coding !== "" && coding !== "identity");
}
