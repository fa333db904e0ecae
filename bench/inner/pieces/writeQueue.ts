// The write queue of a session: messages of one turn go in, one write comes out. The socket takes everything at once and does nothing with it.

import { type DaemonMessage, Writer } from "@understudy/protocol";
import { loadFromAgent, type Piece } from "../piece.ts";

interface Outbox {
  send(message: DaemonMessage, lane: "answers" | "files" | "data"): void;
}
interface OutboxModule {
  readonly Outbox: new (options: object) => Outbox;
}
interface BudgetModule {
  readonly MemoryBudget: new (options: { readonly totalBytes: number; readonly shareMaxBytes: number }) => { open(): object };
}
interface MetricsModule {
  readonly Metrics: new () => { readonly sentBytes: object };
}

/** What is sent in one turn. */
const MESSAGES = 32;

export async function writeQueuePieces(): Promise<readonly Piece[]> {
  const { Outbox } = await loadFromAgent<OutboxModule>("session/outbox");
  const { MemoryBudget } = await loadFromAgent<BudgetModule>("task/memoryBudget");
  const { Metrics } = await loadFromAgent<MetricsModule>("metrics/metrics");
  const budget = new MemoryBudget({ totalBytes: 32 * 1024 * 1024, shareMaxBytes: 512 * 1024 });
  let turnIsOver: (() => void) | null = null;
  let written = 0;
  const outbox = new Outbox({
    socket: {
      writable: true,
      writableLength: 0,
      cork: () => undefined,
      uncork: () => undefined,
      write: (bytes: Uint8Array) => (written += bytes.length) > 0,
    },
    writer: new Writer(),
    share: budget.open(),
    copyShare: budget.open(),
    haveCopiesDrained: () => true,
    turnEnd: (job: () => void) => void (turnIsOver = job),
    sentBytes: new Metrics().sentBytes,
    onRelief: () => undefined,
  });
  const turn = (message: DaemonMessage, lane: "answers" | "data") => (): number => {
    for (let i = 0; i < MESSAGES; i++) outbox.send(message, lane);
    turnIsOver?.();
    return written;
  };
  const data = (bytes: number): DaemonMessage => ({
    kind: "tcpOutgoing",
    value: { kind: "read", value: { kind: "ok", value: { connectionId: 7, bytes: new Uint8Array(bytes) } } },
  });
  return [
    { name: "writeQueue/pongs", operations: MESSAGES, run: turn({ kind: "pong" }, "answers") },
    { name: "writeQueue/data of 64 B", operations: MESSAGES, run: turn(data(64), "data") },
    { name: "writeQueue/data of 64 KiB", operations: MESSAGES, run: turn(data(64 * 1024), "data") },
  ];
}
