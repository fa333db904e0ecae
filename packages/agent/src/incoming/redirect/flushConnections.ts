// Ends connections that were opened before their port was redirected, so that peers connect again and reach the agent. Ports that are asked for while others are being flushed
// go together in the next round, so that nobody waits for more than two rounds, whatever others ask for.

import { execFile } from "node:child_process";
import type { Log } from "../../log/log.ts";
import { forgetConnections } from "./trackedConnections.ts";

export interface FlushOptions {
  /** Whether to delete entries of the connection tracking as well; the kernel then forgets translations of these connections. */
  readonly conntrack: boolean;
  readonly log: Log;
}

/** Bound for one program. */
const programTimeoutMs = 5_000;
const outputMaxBytes = 64 * 1024;
/** Ports that one call of `ss` gets: each is a few words of its command line, and some 20 bytes of a filter of at most 64 KiB. */
const portsPerCall = 512;

/** Flushes ports, in the network namespace of the calling thread. */
export class ConnectionFlusher {
  readonly #options: FlushOptions;
  /** Ports of the next round, while one is under way. */
  #next: { readonly ports: Set<number>; readonly done: Promise<void> } | null = null;
  #round: Promise<void> = Promise.resolve();

  constructor(options: FlushOptions) {
    this.#options = options;
  }

  /** Ends what is open on a port. Never rejects: that it failed is for the admin, and the port is redirected nevertheless. */
  flush(port: number): Promise<void> {
    this.#next ??= this.#plan();
    this.#next.ports.add(port);
    return this.#next.done;
  }

  #plan(): { readonly ports: Set<number>; readonly done: Promise<void> } {
    const ports = new Set<number>();
    this.#round = this.#round.then(async () => {
      this.#next = null;
      await this.#flushAll([...ports]);
    });
    return { ports, done: this.#round };
  }

  async #flushAll(ports: readonly number[]): Promise<void> {
    if (this.#options.conntrack) {
      try {
        await forgetConnections(new Set(ports));
      } catch (error) {
        this.#report("conntrack", ports.length, String(error));
      }
    }
    for (let start = 0; start < ports.length; start += portsPerCall) await this.#kill(ports.slice(start, start + portsPerCall));
  }

  async #kill(ports: readonly number[]): Promise<void> {
    const filter = ports.map((port) => `sport = :${port}`).join(" or ");
    const options = { timeout: programTimeoutMs, killSignal: "SIGKILL" as const, maxBuffer: outputMaxBytes };
    const failure = await new Promise<string | null>((resolve) => {
      execFile("ss", ["-t", "-K", filter], options, (error, _stdout, stderr) => {
        // What it prints is not read, so printing much is no failure.
        const isTooMuchOutput = (error as NodeJS.ErrnoException | null)?.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER";
        resolve(error === null || isTooMuchOutput ? null : stderr.trim() || error.message);
      });
    });
    if (failure !== null) this.#report("ss", ports.length, failure);
  }

  #report(step: string, ports: number, error: string): void {
    this.#options.log.event("FLUSH_FAILED", { step, ports, error: error.slice(0, 300) });
  }
}
