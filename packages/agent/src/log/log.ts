// The agent's log, in two vocabularies that the types keep apart: what the cluster's admin can act on is one of the
// closed set in `events.ts` and goes out at info or above; everything else is debug or trace.
// It does not know files or sockets (see `lineSink.ts`) nor how a record looks (see `format.ts`).

import type { AdminEvent, AdminEventCode } from "./events.ts";
import type { Clock } from "./clock.ts";
import type { Format, LogRecord } from "./format.ts";
import type { LineSink } from "./lineSink.ts";
import type { LogFilter } from "./filter.ts";
import { adminEvents } from "./events.ts";
import { systemClock } from "./clock.ts";
import { EventLimiter } from "./eventLimiter.ts";
import { levelFor, levelRank } from "./filter.ts";

/** What varies between records of the same sentence. Undefined values are left out. */
export type Fields = Readonly<Record<string, string | number | boolean | bigint | undefined>>;

/** A logger of one module. Messages are fixed sentences; variable things go into fields. */
export interface Log {
  /** True when `debug` writes; check it before building expensive fields. */
  readonly isDebug: boolean;
  /** True when `trace` writes. */
  readonly isTrace: boolean;
  /** Every step of a session. */
  trace(message: string, fields?: Fields): void;
  /** What a session did or failed to do. */
  debug(message: string, fields?: Fields): void;
  /** What the admin can act on: the only way to reach info or above. */
  event(code: AdminEventCode, fields?: Fields): void;
  /** A logger of another module, by its whole name such as "agent::session". Keep it; do not make one a message. */
  child(target: string): Log;
}

/** The logger that owns what all of them share. Disposing it writes the events that are still only counted. */
export interface RootLog extends Log, Disposable {}

/** Parts of a log. */
export interface LogOptions {
  readonly filter: LogFilter;
  readonly format: Format;
  /** Where lines go. Stays the caller's: dispose it after the log. */
  readonly sink: LineSink;
  /** Default: the system's time. */
  readonly clock?: Clock;
  /** Rest between two records of an event that is limited in rate. Default 60,000 ms. */
  readonly limitIntervalMs?: number;
}

/** Makes the log of one agent. Its own module name is "agent". */
export function createLog(options: LogOptions): RootLog {
  const clock = options.clock ?? systemClock();
  const write = (record: Omit<LogRecord, "timeMicros">): void => {
    const importance = record.code === undefined ? "detail" : "event";
    options.sink.write(options.format({ ...record, timeMicros: clock.nowMicros() }), importance);
  };
  const limiter = new EventLimiter<EventRecord>(clock, options.limitIntervalMs ?? 60_000, (record, count) => {
    write(count === undefined ? record : { ...record, fields: { ...record.fields, count } });
  });
  const shared: Shared = { filter: options.filter, write, limiter };
  options.sink.onDropped = (lines) => {
    root.event("LOG_LINES_DROPPED", { lines });
  };
  const root = Object.assign(new ModuleLog(shared, "agent"), {
    [Symbol.dispose]: () => limiter[Symbol.dispose](),
  });
  return root;
}

type EventRecord = Omit<LogRecord, "timeMicros" | "code"> & { readonly code: AdminEventCode };

interface Shared {
  readonly filter: LogFilter;
  readonly write: (record: Omit<LogRecord, "timeMicros">) => void;
  readonly limiter: EventLimiter<EventRecord>;
}

class ModuleLog implements Log {
  readonly isDebug: boolean;
  readonly isTrace: boolean;
  readonly #rank: number;
  readonly #shared: Shared;
  readonly #target: string;

  constructor(shared: Shared, target: string) {
    this.#shared = shared;
    this.#target = target;
    this.#rank = levelRank(levelFor(shared.filter, target));
    this.isDebug = this.#rank >= levelRank("debug");
    this.isTrace = this.#rank >= levelRank("trace");
  }

  trace(message: string, fields?: Fields): void {
    if (this.isTrace) this.#shared.write({ level: "trace", target: this.#target, message, fields });
  }

  debug(message: string, fields?: Fields): void {
    if (this.isDebug) this.#shared.write({ level: "debug", target: this.#target, message, fields });
  }

  event(code: AdminEventCode, fields?: Fields): void {
    const event: AdminEvent = adminEvents[code];
    if (this.#rank < levelRank(event.level)) return;
    const { level, message } = event;
    const remedy = level === "info" ? undefined : event.remedy;
    const record: EventRecord = { level, target: this.#target, message, code, remedy, fields };
    if (event.isLimited === true) this.#shared.limiter.add(code, record);
    else this.#shared.write(record);
  }

  child(target: string): Log {
    return new ModuleLog(this.#shared, target);
  }
}
