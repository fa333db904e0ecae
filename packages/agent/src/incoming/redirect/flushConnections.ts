// Ends connections that were opened before their port was redirected, so that peers connect again and reach the agent. It runs two
// programs of the agent's image in the network namespace of the calling thread, never more than a few at once.

import { execFile } from "node:child_process";
import type { Log } from "../../log/log.ts";

export interface FlushOptions {
  /** Whether to delete entries of the connection tracking as well; the kernel then forgets translations of these connections. */
  readonly conntrack: boolean;
  readonly log: Log;
}

/** Bound for one program. */
const programTimeoutMs = 5_000;
const outputMaxBytes = 64 * 1024;
/** Ports flushed at once; further ones wait. */
const flushesAtOnce = 2;

/** Flushes ports, in the order asked for. */
export class ConnectionFlusher {
  readonly #options: FlushOptions;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: FlushOptions) {
    this.#options = options;
  }

  /** Ends what is open on a port. Never rejects: that it failed is for the admin, and the port is redirected nevertheless. */
  async flush(port: number): Promise<void> {
    if (this.#running >= flushesAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      if (this.#options.conntrack) {
        // Connections that are redirected already have another port in the reply direction, and are left alone.
        const filter = ["--orig-port-dst", String(port), "--reply-port-src", String(port), "--state", "ESTABLISHED"];
        await this.#run(port, "conntrack", ["-D", "-p", "tcp", ...filter]);
      }
      await this.#run(port, "ss", ["-K", "sport", "=", `:${port}`]);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #run(port: number, program: string, args: readonly string[]): Promise<void> {
    const options = { timeout: programTimeoutMs, killSignal: "SIGKILL" as const, maxBuffer: outputMaxBytes };
    const failure = await new Promise<string | null>((resolve) => {
      execFile(program, args, options, (error, _stdout, stderr) => {
        // Nothing to delete counts as a failure for conntrack.
        const isNothingToDo = stderr.includes("0 flow entries have been deleted");
        // What it prints is not read, so printing much is no failure.
        const isTooMuchOutput = (error as NodeJS.ErrnoException | null)?.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER";
        resolve(error === null || isNothingToDo || isTooMuchOutput ? null : stderr.trim() || error.message);
      });
    });
    if (failure !== null) this.#options.log.event("FLUSH_FAILED", { port, program, error: failure.slice(0, 300) });
  }
}
