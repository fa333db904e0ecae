// What a client's filter is after it was compiled, and what compiling needs.

import type { FilterInput } from "./filterInput.ts";
import type { FilterSeconds } from "./filterTime.ts";
import type { JqEngine } from "./jq/jqEngine.ts";
import type { JsonBodies } from "./json/jsonBodies.ts";
import type { LongSearches } from "./longSearches.ts";

/** One subscription's filter. Disposed when the subscription ends or gets another one: it may hold a child process. */
export interface CompiledFilter extends Disposable {
  /** Whether it looks at the body: requests are then judged when their body is there, within limits. */
  readonly needsBody: boolean;
  /**
   * Whether the request is wanted. Answers at once where it can; a promise only where it takes longer than one turn of the event loop should,
   * or something outside of this thread must be asked, and then within limits. Never throws and never rejects: what cannot be decided is not
   * wanted. After a promise the request is looked at again, so it must stay as it was: see `RequestHeadInput.detach`.
   */
  matches(request: FilterInput): boolean | Promise<boolean>;
}

/** What all filters of an agent share. */
export interface FilterServices {
  /** Null: filters with jq are refused. */
  readonly jq: Pick<JqEngine, "compile"> | null;
  /** Where searches go on that take longer than one turn of the event loop should. */
  readonly longSearches: LongSearches;
  readonly bodies: JsonBodies;
  /** Counts searches that were given up, or not begun, since their pattern takes too much time. */
  readonly overruns: { add(n?: number): void };
  readonly seconds: FilterSeconds;
}

/** What one filter is compiled with. */
export interface FilterMeans {
  readonly services: FilterServices;
  /** Whose filter it is, for limits on what one owner may have. */
  readonly owner: object;
  /** Ends compiling. */
  readonly signal: AbortSignal;
  /** Told why the filter does not answer as it might, in words for its own client; at most once per cause and filter. */
  readonly onProblem: (text: string) => void;
}
