// Makes what all filters of an agent share.

import { Counter } from "../../../metrics/instruments.ts";
import type { FilterServices } from "./compiledFilter.ts";
import type { FilterSeconds } from "./filterTime.ts";
import { JsonBodies } from "./json/jsonBodies.ts";
import { LongSearches } from "./longSearches.ts";

export interface FilterServicesOptions {
  /** Null: filters with jq are refused. */
  readonly jq: FilterServices["jq"];
  /** Largest body that filters look at, encoded and decoded, in bytes. Default 64 KiB. */
  readonly bodyMaxBytes?: number;
  /** Counts patterns that took too much time. Default: nobody does. */
  readonly overruns?: FilterServices["overruns"];
  /** Where the time that filters take is put down. Default: nowhere. */
  readonly seconds?: FilterSeconds;
}

const NOWHERE: FilterSeconds = { with: () => ({ observe: () => undefined }) };

export function createFilterServices(options: FilterServicesOptions): FilterServices {
  const { jq, bodyMaxBytes = 64 * 1024, overruns = new Counter(), seconds = NOWHERE } = options;
  const longSearches = new LongSearches();
  return { jq, longSearches, overruns, seconds, bodies: new JsonBodies(longSearches, bodyMaxBytes) };
}
