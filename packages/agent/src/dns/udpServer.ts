// Asks one DNS server over UDP. A few sockets, each connected to the server from a random port of the kernel's choice,
// carry all queries; an answer counts when it comes from that server, to that port, with the id and the question of a
// query. Sockets are opened when needed, replaced after some use and closed when idle. It does not retry.

import { createSocket, type Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { answerId, decodeAnswer, encodeQuery, type Answer, type Question } from "./message.ts";
import { lookupIoError, lookupTimeout } from "./lookupError.ts";
import { randomInt } from "./randomInt.ts";

/** Where a server listens. */
export interface ServerAddress {
  /** IP literal; an IPv6 one may carry a zone. */
  readonly ip: string;
  readonly port: number;
}

/** How one query is made. */
export interface ExchangeOptions {
  readonly timeoutMs: number;
  readonly edns: boolean;
}

/** Most sockets to one server. More make a forged answer less likely to hit, and cost descriptors. */
const socketsMax = 8;
/** A port is given up after so many queries. */
const queriesPerSocket = 256;
const idleMs = 5000;
/** Longer datagrams are no answer: without EDNS the limit is 512, with it 1232. */
const answerBytesMax = 4096;

interface PendingQuery {
  readonly question: Question;
  settle(outcome: Answer | Error): void;
}

interface QuerySocket {
  readonly socket: Socket;
  /** Resolves once connected. */
  readonly isReady: Promise<void>;
  readonly pending: Map<number, PendingQuery>;
  queries: number;
  idleTimer: NodeJS.Timeout | null;
}

/** The UDP side of one server. Disposing of it ends the queries under way. */
export class UdpServer implements Disposable {
  readonly #address: ServerAddress;
  readonly #sockets = new Set<QuerySocket>();

  constructor(address: ServerAddress) {
    this.#address = address;
  }

  /** Open sockets. */
  get socketCount(): number {
    return this.#sockets.size;
  }

  /** Sends one query and waits for its answer. @throws RemoteError; the signal's reason on abort. */
  async exchange(question: Question, { timeoutMs, edns }: ExchangeOptions, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const entry = this.#pick();
    const id = freeId(entry.pending);
    const answered = new Promise<Answer>((resolve, reject) => {
      const settle = (outcome: Answer | Error) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        entry.pending.delete(id);
        this.#rest(entry);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const onAbort = () => settle(signal.reason as Error);
      const timer = setTimeout(() => settle(lookupTimeout("server")), timeoutMs);
      signal.addEventListener("abort", onAbort, { once: true });
      entry.pending.set(id, { question, settle });
    });
    const query = encodeQuery(question, id, edns);
    entry.isReady.then(
      () => {
        const own = entry.pending.get(id);
        if (own?.question !== question) return;
        entry.socket.send(query, (error) => {
          if (error !== null && entry.pending.get(id) === own) own.settle(lookupIoError(error));
        });
      },
      // The socket's failure settles every pending query, this one among them.
      () => undefined,
    );
    return await answered;
  }

  #pick(): QuerySocket {
    const fresh = [...this.#sockets].filter(({ queries }) => queries < queriesPerSocket);
    const isRoom = this.#sockets.size < socketsMax;
    // Few queries need few sockets: another one only when each has several to wait for.
    const isBusy = fresh.every(({ pending }) => pending.size >= 4);
    const choice = isBusy && isRoom ? [] : fresh.length > 0 ? fresh : isRoom ? [] : [...this.#sockets];
    const entry = choice[choice.length === 0 ? 0 : randomInt(choice.length)] ?? this.#open();
    entry.queries++;
    if (entry.idleTimer !== null) clearTimeout(entry.idleTimer);
    entry.idleTimer = null;
    return entry;
  }

  #open(): QuerySocket {
    const { ip, port } = this.#address;
    const socket = createSocket({
      type: isIPv4(ip) ? "udp4" : "udp6",
      // Addresses are literals: nothing here may ask libc for a name.
      lookup: (host, _options, done) => {
        done(null, host, isIPv4(host) ? 4 : 6);
      },
    });
    const connected = Promise.withResolvers<void>();
    const entry: QuerySocket = { socket, isReady: connected.promise, pending: new Map(), queries: 0, idleTimer: null };
    this.#sockets.add(entry);
    // Whoever waits for it handles the failure; this keeps it from being nobody's.
    connected.promise.catch(() => undefined);
    socket.unref();
    socket.on("message", (bytes) => onMessage(entry, bytes));
    socket.on("error", (error) => {
      connected.reject(error);
      this.#close(entry, lookupIoError(error));
    });
    socket.connect(port, ip, () => connected.resolve());
    return entry;
  }

  /** Closes a socket that nobody waits for, at once if used up, else after a while. */
  #rest(entry: QuerySocket): void {
    if (entry.pending.size > 0 || !this.#sockets.has(entry)) return;
    if (entry.queries >= queriesPerSocket) this.#close(entry, null);
    else entry.idleTimer ??= setTimeout(() => this.#close(entry, null), idleMs).unref();
  }

  #close(entry: QuerySocket, error: Error | null): void {
    if (!this.#sockets.delete(entry)) return;
    if (entry.idleTimer !== null) clearTimeout(entry.idleTimer);
    entry.socket.close();
    for (const query of entry.pending.values()) query.settle(error ?? lookupTimeout("resolver was closed"));
  }

  [Symbol.dispose](): void {
    for (const entry of this.#sockets) this.#close(entry, null);
  }
}

function onMessage({ pending }: QuerySocket, bytes: Buffer): void {
  if (bytes.length > answerBytesMax) return;
  const id = answerId(bytes);
  const query = id === null ? undefined : pending.get(id);
  if (query === undefined) return;
  try {
    const answer = decodeAnswer(bytes, query.question);
    if (answer !== null) query.settle(answer);
  } catch (error) {
    query.settle(lookupIoError(error));
  }
}

/** A random id that no pending query uses. A socket never carries so many that this takes long. */
function freeId(pending: ReadonlyMap<number, unknown>): number {
  for (;;) {
    const id = randomInt(0x1_0000);
    if (!pending.has(id)) return id;
  }
}
