// One `nft -i` child: reads commands from a pipe, a line being one transaction, and owns the tables it makes. It knows nothing of what
// the commands mean, and does not start itself again.
//
// How nft(8) talks (tried with 1.0.6): it says nothing about a line that worked, and complains on standard error about one that did not.
// Both outputs go into one pipe, so that their order is kept, and each transaction is followed by a harmless command whose known answer
// ends what was said about it. It ends when its standard input closes, thus also when the agent is killed.

import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** The child has ended, or never came to life. */
export class NftGoneError extends Error {
  override readonly name = "NftGoneError";
}

export interface NftProcessOptions {
  /** Path of the program; default {@link findNft}. */
  readonly path?: string;
  /** Called when the child has ended, unless it was disposed of. */
  readonly onGone: () => void;
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

// `describe` is answered without asking the kernel.
const acknowledgement = { command: "describe ct mark", answer: /^.*datatype mark \(packet mark\).*\n/m };

/** Far more than the slowest transaction takes; nobody waits longer for a child that hangs. */
const answerTimeoutMs = 10_000;
const endTimeoutMs = 1_000;

/** What is kept of a complaint that goes on for ever: its beginning, and enough of its end to see the acknowledgement. */
const keptHeadChars = 4 * 1024;
const keptTailChars = 1024;
const saidMaxChars = 64 * 1024;

/**
 * Finds the program.
 *
 * @throws NftGoneError when it is nowhere.
 */
export async function findNft(): Promise<string> {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder.startsWith("/"));
  for (const path of ["/usr/sbin/nft", "/sbin/nft", ...folders.map((folder) => join(folder, "nft"))]) {
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not here; perhaps in the next place.
    }
  }
  throw new NftGoneError("the program nft was found neither in /usr/sbin nor in PATH");
}

/** Starts a child in a process group of its own, so that a signal to the agent's group leaves it to the agent. */
export async function startNft(options: NftProcessOptions): Promise<NftProcess> {
  const path = options.path ?? (await findNft());
  // The shell replaces itself by nft; it only joins the two outputs. Nothing of the agent's environment reaches nft, and without a
  // home directory it keeps no history file.
  const child = spawn("/bin/sh", ["-c", 'exec "$0" -i 2>&1', path], {
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
    cwd: "/",
    env: { LC_ALL: "C", HOME: "/nonexistent", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  const started = new NftProcess(child, options.onGone);
  try {
    await once(child, "spawn");
  } catch (cause) {
    throw new NftGoneError("nft cannot be started", { cause });
  }
  return started;
}

interface Transaction {
  readonly resolve: (complaint: string) => void;
  readonly reject: (error: NftGoneError) => void;
  readonly timeout: NodeJS.Timeout;
}

/** The running child. One transaction at a time. */
export class NftProcess implements AsyncDisposable {
  readonly #child: Child;
  readonly #onGone: () => void;
  readonly #exited: Promise<void>;
  #transaction: Transaction | undefined;
  #said = "";
  #writtenBytes = 0;
  #isGone = false;
  #isEnding = false;

  constructor(child: Child, onGone: () => void) {
    this.#child = child;
    this.#onGone = onGone;
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    // Writing to a child that has ended fails; its end is told by "close".
    child.stdin.on("error", () => undefined);
    child.stdout.on("error", () => undefined);
    this.#exited = new Promise((resolve) => {
      const gone = (error?: Error): void => {
        if (this.#isGone) return;
        this.#isGone = true;
        resolve();
        this.#gone(error);
      };
      child.on("error", gone);
      child.on("close", () => gone());
    });
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Bytes of all transactions so far. nft keeps each of them in memory, as a history for its line editor. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /**
   * Runs commands as one transaction.
   *
   * @returns what nft said about it: empty when it was done; otherwise nothing was changed.
   * @throws NftGoneError when the child ends before it answers (the kernel then drops its tables, too), or hangs and is killed.
   */
  async run(commands: readonly string[]): Promise<string> {
    if (this.#transaction !== undefined) throw new TypeError("one transaction at a time");
    if (this.#isGone || this.#isEnding) throw new NftGoneError("nft has ended");
    const text = `${commands.join("; ")}\n${acknowledgement.command}\n`;
    this.#writtenBytes += text.length;
    return await new Promise((resolve, reject) => {
      const timeout = setTimeout(() => this.#child.kill("SIGKILL"), answerTimeoutMs);
      this.#transaction = { resolve, reject, timeout };
      this.#said = "";
      this.#child.stdin.write(text);
    });
  }

  /** Ends the child, and with it its tables. Waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    this.#child.stdin.end();
    const killing = setTimeout(() => this.#child.kill("SIGKILL"), endTimeoutMs);
    await this.#exited;
    clearTimeout(killing);
  }

  #hear(text: string): void {
    this.#said += text;
    const end = acknowledgement.answer.exec(this.#said);
    if (end === null) {
      if (this.#said.length > saidMaxChars) {
        this.#said = `${this.#said.slice(0, keptHeadChars)}\n…${this.#said.slice(-keptTailChars)}`;
      }
      return;
    }
    // Builds with another line editor print their prompt even into a pipe.
    const complaint = this.#said.slice(0, end.index).replaceAll("nft> ", "").trim();
    this.#said = "";
    const transaction = this.#transaction;
    this.#transaction = undefined;
    clearTimeout(transaction?.timeout);
    transaction?.resolve(complaint);
  }

  #gone(error: Error | undefined): void {
    const said = this.#said.trim();
    const transaction = this.#transaction;
    this.#transaction = undefined;
    clearTimeout(transaction?.timeout);
    if (!this.#isEnding) this.#onGone();
    transaction?.reject(new NftGoneError(`nft has ended${said === "" ? "" : `: ${said}`}`, { cause: error }));
  }
}
