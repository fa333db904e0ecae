// `understudy mirror`: shows what arrives for a target, and has copies of it handled by servers of this machine whose answers nobody gets.

import type { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import type { IncomingConnection, IncomingRequest } from "@understudy/client";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withLastingSession } from "../../agent/withAgent.ts";
import { failureText } from "../../failureText.ts";
import { formatHostPort, type HostPort } from "../../hostPort.ts";
import { connectServer } from "../../incoming/connectServer.ts";
import { matchedFilters } from "../../incoming/filterMatch.ts";
import { type FilterChoice, filterText, httpFilter } from "../../incoming/filterOptions.ts";
import { Report } from "../../incoming/report.ts";
import { RequestForwarder } from "../../incoming/requestForwarder.ts";
import type { Transfer } from "../../incoming/transfer.ts";
import { whileSubscribed } from "../../incoming/whileSubscribed.ts";
import type { Output } from "../../output.ts";

/** Copies that a server has at the same time; more are left out, since nobody would wait for a server that is too slow. */
const COPIES_MAX = 256;

export interface MirrorCommandOptions extends AgentOptions {
  /** Which server gets the copies of which port; null: they are only shown. */
  readonly servers: ReadonlyMap<number, HostPort | null>;
  readonly filters: FilterChoice;
  readonly http2: boolean;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function mirror(options: MirrorCommandOptions, output: Output): Promise<number> {
  const { servers, filters, http2, json } = options;
  return await withLastingSession(options, output, async (session, stopped) => {
    const showsFilters = filters.isAnyOf && filters.filters.length > 1;
    using report = new Report({ json, verb: "mirrored", showsPort: servers.size > 1, showsFilters }, output);
    using owned = new DisposableStack();
    const namesOf = matchedFilters(filters);
    const subscribe = (port: number) => {
      const server = servers.get(port) ?? null;
      const copies = server === null ? null : owned.use(new Copies(server, http2));
      return session.mirror(port, {
        filter: httpFilter(filters),
        onRequest: async (request) => {
          if (copies?.isFull === true) return report.leftOut();
          const transfer = report.request(request, namesOf(request));
          await (copies === null ? watch(request.body, transfer) : copies.request(request, transfer));
        },
        onConnection: (connection) => {
          if (copies?.isFull === true) {
            report.leftOut();
            connection.stream.destroy();
            return;
          }
          const transfer = report.connection(connection);
          void (copies === null ? watch(connection.stream, transfer) : copies.connection(connection, transfer));
        },
      });
    };
    await whileSubscribed({ ports: [...servers.keys()], subscribe }, { session, stopped, output }, () => report.status(startText(options)));
    report.summary();
    return 0;
  });
}

/** Only counts what comes. Never rejects. */
async function watch(stream: Readable, transfer: Transfer): Promise<void> {
  stream.on("data", (chunk: Buffer) => transfer.received(chunk.length));
  try {
    await finished(stream, { writable: false });
    transfer.end(null);
  } catch (error) {
    transfer.end(failureText(error));
  }
}

/** Copies of one port on their way to a server. What it answers is read and thrown away. */
class Copies implements Disposable {
  readonly #server: HostPort;
  readonly #forwarder: RequestForwarder;
  #inProgress = 0;

  constructor(server: HostPort, http2: boolean) {
    this.#server = server;
    this.#forwarder = new RequestForwarder({ server, http2, connectTarget: null });
  }

  get isFull(): boolean {
    return this.#inProgress >= COPIES_MAX;
  }

  async request(request: IncomingRequest, transfer: Transfer): Promise<void> {
    this.#inProgress += 1;
    // The agent is done with a request as soon as it has copied it; its own signal would end the copy then.
    const over = new AbortController();
    await this.#forwarder.copy(withoutUpgrade(request), transfer, over.signal);
    this.#inProgress -= 1;
    // A body that the server did not want is not sent on.
    over.abort();
  }

  async connection({ stream }: IncomingConnection, transfer: Transfer): Promise<void> {
    this.#inProgress += 1;
    try {
      const server = await connectServer(this.#server);
      stream.on("data", (chunk: Buffer) => transfer.received(chunk.length));
      // Its answers are thrown away, but read: it may wait for that, and a socket that is closed on them is reset.
      server.resume();
      await Promise.all([pipeline(stream, server), finished(server)]);
      transfer.end(null);
    } catch (error) {
      stream.destroy();
      transfer.end(failureText(error));
    } finally {
      this.#inProgress -= 1;
    }
  }

  [Symbol.dispose](): void {
    this.#forwarder[Symbol.dispose]();
  }
}

/** A copy has nobody to go on with in another protocol. */
function withoutUpgrade(request: IncomingRequest): IncomingRequest {
  return { ...request, headers: request.headers.filter(([name]) => name !== "upgrade") };
}

function startText({ servers, filters }: MirrorCommandOptions): string {
  const ports = [...servers].map(([port, server]) => `port ${port}${server === null ? "" : ` for ${formatHostPort(server)}`}`);
  return `mirroring ${filterText(filters)} of ${ports.join(", ")}; Ctrl-C ends it`;
}
