// Makes what all filters of an agent share.

import type { FilterServices } from "./compiledFilter.ts";
import { JsonBodies } from "./json/jsonBodies.ts";
import { LongSearches } from "./longSearches.ts";

export interface FilterServicesOptions {
  /** Null: filters with jq are refused. */
  readonly jq: FilterServices["jq"];
  /** Largest body that filters look at, encoded and decoded, in bytes. Default 64 KiB. */
  readonly bodyMaxBytes?: number;
}

export function createFilterServices({ jq, bodyMaxBytes = 64 * 1024 }: FilterServicesOptions): FilterServices {
  const longSearches = new LongSearches();
  return { jq, longSearches, bodies: new JsonBodies(longSearches, bodyMaxBytes) };
}
