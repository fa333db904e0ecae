// Answers of the servers, kept as long as their time to live allows, and the questions under way: equal questions of
// different sessions make one query. Bounded; the oldest entry leaves first. Failures are not kept.

import type { Question } from "./message.ts";
import type { UsefulAnswer } from "./askServers.ts";
import { SharedWork } from "./sharedWork.ts";

/** Options of an `AnswerCache`. */
export interface AnswerCacheOptions {
  /** Answers kept. Default 512. */
  readonly maxEntries?: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Longest time an answer is kept, so that a moved service is found again soon. */
const ttlMaxMs = 60_000;
/** The same for absence: a service about to be created is waited for. */
const negativeTtlMaxMs = 10_000;
/** Longer answers are not kept: the number of entries alone would not bound the memory. */
const keptRecordsMax = 128;

/** Answers by question. */
export class AnswerCache {
  readonly #maxEntries: number;
  readonly #now: () => number;
  readonly #kept = new Map<string, { readonly answer: UsefulAnswer; readonly validUntil: number }>();
  readonly #underWay = new Map<string, SharedWork<UsefulAnswer>>();

  constructor({ maxEntries = 512, now }: AnswerCacheOptions) {
    this.#maxEntries = maxEntries;
    this.#now = now;
  }

  /** Answers kept now. */
  get size(): number {
    return this.#kept.size;
  }

  /** The answer kept, that of the equal question under way, or that of `ask`. @throws what `ask` throws; the signal's reason. */
  async get({ name, type }: Question, ask: (signal: AbortSignal) => Promise<UsefulAnswer>, signal: AbortSignal): Promise<UsefulAnswer> {
    const key = `${type} ${name}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && this.#now() < kept.validUntil) return kept.answer;

    let work = this.#underWay.get(key);
    if (work === undefined || work.isAbandoned) {
      const started: SharedWork<UsefulAnswer> = new SharedWork(async (abandoned) => {
        try {
          const answer = await ask(abandoned);
          this.#keep(key, answer);
          return answer;
        } finally {
          if (this.#underWay.get(key) === started) this.#underWay.delete(key);
        }
      });
      work = started;
      this.#underWay.set(key, work);
    }
    return await work.wait(signal);
  }

  #keep(key: string, answer: UsefulAnswer): void {
    this.#kept.delete(key);
    const isNegative = answer.kind === "none";
    const ttlMs = Math.min(answer.ttlSeconds * 1000, isNegative ? negativeTtlMaxMs : ttlMaxMs);
    if (ttlMs <= 0 || (!isNegative && answer.data.length > keptRecordsMax)) return;
    this.#kept.set(key, { answer, validUntil: this.#now() + ttlMs });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#maxEntries) break;
      this.#kept.delete(oldest);
    }
  }
}
