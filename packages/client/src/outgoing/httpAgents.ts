// HTTP and HTTPS clients of Node whose connections the agent makes. TLS is spoken by this side, over the connection: certificates are checked against
// the name in the URL, and the agent sees what passes only encrypted.

import { Agent as HttpAgent, type AgentOptions as HttpAgentOptions, type ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { connectHost, connectUnix } from "./connectHost.ts";
import type { SessionSource } from "./sessionSource.ts";
import type { TcpConnection } from "./tcpConnection.ts";

type OnConnection = (error: Error | null, stream: Duplex) => void;

/**
 * For `agent` of `http.request`. Names are looked up by the target; `socketPath` is a unix socket of the target.
 * Connections are kept for later requests unless the options say otherwise; `destroy()` ends them, and those that are being made.
 */
export function httpAgent(source: SessionSource, options: HttpAgentOptions = {}): HttpAgent {
  return new TargetHttpAgent(source, { keepAlive: true, ...options });
}

/** As `httpAgent`, for `https.request`. */
export function httpsAgent(source: SessionSource, options: HttpsAgentOptions = {}): HttpsAgent {
  return new TargetHttpsAgent(source, { keepAlive: true, ...options });
}

class TargetHttpAgent extends HttpAgent {
  readonly #connector: Connector;

  constructor(source: SessionSource, options: HttpAgentOptions) {
    super(options);
    this.#connector = new Connector(source, 80);
  }

  override createConnection(options: ClientRequestArgs, onConnection: OnConnection): undefined {
    this.#connector.connect(options, onConnection, (connection) => connection);
  }

  override destroy(): void {
    this.#connector.abort();
    super.destroy();
  }
}

class TargetHttpsAgent extends HttpsAgent {
  readonly #connector: Connector;

  constructor(source: SessionSource, options: HttpsAgentOptions) {
    super(options);
    this.#connector = new Connector(source, 443);
  }

  override createConnection(options: RequestOptions, onConnection: OnConnection): undefined {
    this.#connector.connect(options, onConnection, (socket) => {
      // Node's own does TLS over a socket that is given, and remembers TLS sessions; its types do not say so.
      const overSocket: RequestOptions & { readonly socket: Duplex } = { ...options, socket };
      return super.createConnection(overSocket) ?? socket;
    });
  }

  override destroy(): void {
    this.#connector.abort();
    super.destroy();
  }
}

/** Makes the connections of one agent. */
class Connector {
  readonly #source: SessionSource;
  readonly #defaultPort: number;
  #pending = new AbortController();

  constructor(source: SessionSource, defaultPort: number) {
    this.#source = source;
    this.#defaultPort = defaultPort;
  }

  /** Ends what is being made. */
  abort(): void {
    this.#pending.abort(new Error("the HTTP agent was destroyed"));
    this.#pending = new AbortController();
  }

  connect(options: ClientRequestArgs, onConnection: OnConnection, wrap: (connection: TcpConnection) => Duplex): void {
    this.#connect(options).then(
      (connection) => onConnection(null, wrap(connection)),
      // With an error there is no stream, which the type does not know.
      (error: unknown) => onConnection(error instanceof Error ? error : new Error(String(error)), undefined as unknown as Duplex),
    );
  }

  async #connect({ socketPath, host, port }: ClientRequestArgs): Promise<TcpConnection> {
    const { signal } = this.#pending;
    const connection =
      typeof socketPath === "string" && socketPath !== ""
        ? await connectUnix(this.#source, socketPath, { signal })
        : await connectHost(this.#source, { host: host ?? "localhost", port: Number(port ?? this.#defaultPort) }, { signal });
    // A kept connection that the server ends must not be taken for one that still works.
    connection.allowHalfOpen = false;
    return connection;
  }
}
