import assert from "node:assert/strict";
import { test } from "node:test";
import type { DaemonConnect, ResponseError, Result, SocketAddress } from "@understudy/protocol";
import type { SessionLink } from "../link/sessionLink.ts";
import type { Log } from "../log/log.ts";
import { Gauge } from "../metrics/instruments.ts";
import { type Connected, type Connection, type ConnectionEvents, ConnectionTable } from "./connectionTable.ts";

const silent: Log = { isDebug: false, isTrace: false, trace() {}, debug() {}, event() {}, child: () => silent };

function address(port: number): SocketAddress {
  return { kind: "ip", value: { ip: "127.0.0.1", port } };
}

/** A table whose connects end when the test says so. Answers are kept as text: the uid or "-", then the id or the error number. */
class TableUnderTest {
  readonly answers: string[] = [];
  readonly discarded: number[] = [];
  readonly abandoned: number[] = [];
  readonly events: ConnectionEvents[] = [];
  readonly count = new Gauge();
  readonly #ending = new AbortController();
  readonly #begun: ((connected: Connected<Connection>) => void)[] = [];
  readonly table: ConnectionTable<Connection>;

  constructor(maxConnections: number) {
    const connect = (): Promise<Connected<Connection>> => new Promise((resolve) => this.#begun.push(resolve));
    const link = { id: 1, signal: this.#ending.signal } as Partial<SessionLink> as SessionLink;
    const answer = (uid: bigint | null, result: Result<DaemonConnect, ResponseError>): void => {
      this.answers.push(`${uid ?? "-"} ${textOf(result)}`);
    };
    this.table = new ConnectionTable({ link, log: silent, connectionCount: this.count, maxConnections, connect, answer });
  }

  get begun(): number {
    return this.#begun.length;
  }

  /** Lets the oldest connect succeed. */
  async succeed(): Promise<void> {
    this.#begun.shift()!({
      remoteAddress: address(1),
      localAddress: address(2),
      open: (id, events) => {
        this.events[id] = events;
        return { start() {}, close() {}, abandon: () => void this.abandoned.push(id) };
      },
      discard: () => void this.discarded.push(1),
    });
    await turn();
  }

  end(): void {
    this.#ending.abort();
    this.table[Symbol.dispose]();
  }
}

function textOf(result: Result<DaemonConnect, ResponseError>): string {
  if (result.kind === "ok") return String(result.value.connectionId);
  const error = result.value;
  return error.kind === "remoteIO" ? `errno ${error.value.rawOsError}` : error.kind;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("connects beyond the limit are refused at once, those that only wait for their turn counted in", async () => {
  const under = new TableUnderTest(40);
  for (let uid = 0n; uid < 42n; uid++) under.table.connect(uid, address(1));
  assert.deepEqual(under.answers, ["40 errno 24", "41 errno 24"]);
  assert.ok(under.begun < 40);
  while (under.begun < 40) await turn();
  await under.succeed();
  // A connection takes the place of its connect.
  under.table.connect(50n, address(1));
  assert.deepEqual(under.answers.slice(2), ["0 0", "50 errno 24"]);
  // One that is over gives it back, also when the client had closed it long before.
  under.events[0]!.onGone();
  under.table.connect(51n, address(1));
  assert.equal(under.answers.at(-1), "51 errno 24");
  under.events[0]!.onClosed();
  under.table.connect(52n, address(1));
  await turn();
  assert.equal(under.begun, 40);
  assert.equal(under.count.value, 0);
});

test("connects without an id are made one at a time and answered in order, refused ones in their place", async () => {
  const under = new TableUnderTest(2);
  for (let port = 1; port <= 5; port++) under.table.connect(null, address(port));
  under.table.connect(9n, address(1));
  await turn();
  assert.equal(under.begun, 1);
  assert.deepEqual(under.answers, ["9 errno 24"]);
  await under.succeed();
  assert.deepEqual(under.answers.slice(1), ["- 0"]);
  await under.succeed();
  assert.deepEqual(under.answers.slice(1), ["- 0", "- 1", "- errno 24", "- errno 24", "- errno 24"]);
});

test("the end of the session abandons what is open and discards what is connected too late", async () => {
  const under = new TableUnderTest(40);
  for (let uid = 0n; uid < 20n; uid++) under.table.connect(uid, address(1));
  under.table.connect(null, address(1));
  await under.succeed();
  const { begun } = under;
  under.end();
  assert.deepEqual(under.abandoned, [0]);
  await under.succeed();
  assert.deepEqual(under.discarded, [1]);
  // Those that waited for their turn are not begun any more, nor is anything that comes later.
  under.table.connect(30n, address(1));
  await turn();
  assert.equal(under.begun, begun - 1);
  assert.deepEqual(under.answers, ["0 0"]);
});
