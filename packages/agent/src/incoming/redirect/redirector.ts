// The shared redirect service: brings connections to ports of the target to the agent. It joins the listeners, the kernel's rules and the
// flushing of older connections; who gets a connection is decided by the one who is handed it.

import type { Log } from "../../log/log.ts";
import { ConnectionFlusher } from "./flushConnections.ts";
import type { Launcher } from "./launcher.ts";
import { type RedirectedConnection, listenForRedirects } from "./listener.ts";
import { ChosenRules, type RedirectWay } from "./chosenRules.ts";
import { RedirectError } from "./redirectError.ts";

export interface RedirectorOptions {
  /** Gets every redirected connection, also for a while after its port was removed: what was under way still arrives. */
  readonly onConnection: (connection: RedirectedConnection) => void;
  readonly log: Log;
  /** Group id of the agent, whose own connections are never redirected. */
  readonly ownGroup: number;
  readonly metrics?: { readonly nftReloads: { add(n?: number): void } };
  /** Told when the rules were lost for good: no port is redirected any more, adding one tries anew. */
  readonly onLost?: (error: RedirectError) => void;
  /** End connections opened before a port was added. Default false. */
  readonly flushConnections?: boolean;
  /** Whether flushing includes the kernel's connection tracking. Default true. */
  readonly flushConntrack?: boolean;
  /** Addresses of the pod; see `OwnTraffic`. Default none. */
  readonly podIps?: readonly string[];
  /** How to redirect. Default: as is possible. */
  readonly way?: RedirectWay;
  /** Which backend of iptables; false also forbids an nftables table with an owner. Default: as is possible. */
  readonly nftables?: boolean | null;
  /** Take the mesh of the target to be Istio with its CNI plug-in. Default false. */
  readonly istioCni?: boolean;
  /** Id of the target's container; names iptables chains. Default empty. */
  readonly containerId?: string;
  /** Who removes iptables rules when the agent is killed. Default nobody. */
  readonly launcher?: Launcher | null;
  /** Name of the nftables table; default "understudy". */
  readonly table?: string;
  /** Path of `nft`; default: the usual places. */
  readonly nftPath?: string;
  /** As in the options of the table: bytes after which the `nft` child is replaced. Default 1 MiB. */
  readonly writtenMaxBytes?: number;
}

/** See the file's head. Disposing it takes the rules away first, then closes the listeners. */
export interface Redirector extends AsyncDisposable {
  /** Ports of the listeners; null for a family that the namespace lacks. */
  readonly listeners: { readonly ipv4: number | null; readonly ipv6: number | null };
  /** Process id of the `nft` child; undefined while there is none. */
  readonly nftPid: number | undefined;
  /**
   * Redirects a port; adding it again changes nothing. Resolves when the rules are there and, if asked for, older connections were flushed.
   *
   * @throws RedirectError; nothing else is concerned.
   */
  add(port: number): Promise<void>;
  /**
   * Stops redirecting a port; removing one that is not redirected changes nothing. Resolves when new connections go to the target.
   *
   * @throws RedirectError
   */
  remove(port: number): Promise<void>;
}

/**
 * Makes the service in the network namespace of the calling thread. The listeners are opened at once, since the rules name their ports;
 * how to redirect is found out, and the rules come, with the first port.
 *
 * @throws the error of listen(2) when no family can be listened on.
 */
export async function createRedirector(options: RedirectorOptions): Promise<Redirector> {
  const { onConnection, log, ownGroup, podIps = [], metrics, onLost, table, nftPath, writtenMaxBytes } = options;
  const listener = await listenForRedirects({ onConnection, log });
  /** Every port that is redirected or about to be, with the outcome of adding it. */
  const ports = new Map<number, Promise<void>>();
  const rules = new ChosenRules({
    listeners: listener.ports,
    own: { group: ownGroup, podIps },
    way: options.way ?? "auto",
    nftables: options.nftables ?? null,
    istioCni: options.istioCni ?? false,
    containerId: options.containerId ?? "",
    launcher: options.launcher ?? null,
    log,
    onLost(error) {
      ports.clear();
      onLost?.(error);
    },
    ...(metrics && { reloads: metrics.nftReloads }),
    ...(table !== undefined && { table }),
    ...(nftPath !== undefined && { nftPath }),
    ...(writtenMaxBytes !== undefined && { writtenMaxBytes }),
  });
  const flusher = options.flushConnections === true ? new ConnectionFlusher({ conntrack: options.flushConntrack ?? true, log }) : null;

  const addNew = async (port: number): Promise<void> => {
    await rules.add(port);
    await flusher?.flush(port);
  };

  return {
    listeners: listener.ports,
    get nftPid() {
      return rules.nftPid;
    },
    async add(port) {
      if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RedirectError("refused", `${port} is no port`);
      if (port === listener.ports.ipv4 || port === listener.ports.ipv6) {
        throw new RedirectError("refused", `port ${port} is the redirect listener's own`);
      }
      let added = ports.get(port);
      if (added === undefined) {
        added = addNew(port);
        ports.set(port, added);
      }
      try {
        await added;
      } catch (error) {
        if (ports.get(port) === added) ports.delete(port);
        throw error;
      }
    },
    async remove(port) {
      if (ports.delete(port)) await rules.remove(port);
    },
    async [Symbol.asyncDispose]() {
      await rules[Symbol.asyncDispose]();
      listener[Symbol.dispose]();
    },
  };
}
