// Sends one scenario to an agent over a plain socket and collects what comes back, step by step.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ClientMessage, DaemonMessage, StreamDecoder, Writer } from "@understudy/protocol";
import { negotiate } from "./requests.ts";
import type { Scenario, Step } from "./scenario.ts";

/** Longest wait for the answers of one step, in ms: longer than the agents' own limit for a connect. */
const ANSWER_TIMEOUT_MS = 7_000;

export interface Recording {
  /** Answers of each step, `readyForLogs` and the first negotiation left out. */
  readonly answers: readonly (readonly DaemonMessage[])[];
  /** Number of the step in which the agent closed the connection; null when it never did. */
  readonly closedInStep: number | null;
}

/** Runs a scenario on a connection of its own to the agent at a port of 127.0.0.1. */
export async function runScenario(port: number, scenario: Scenario): Promise<Recording> {
  using session = await Session.open(port);
  if (scenario.isBare !== true) {
    await session.step({ send: [negotiate("1.29.0")], answers: 1 });
    await session.step({ send: [{ kind: "readyForLogs" }], answers: 0 });
  }
  const answers: (readonly DaemonMessage[])[] = [];
  let closedInStep: number | null = null;
  for (const [number, step] of scenario.steps.entries()) {
    const settleMs = number === scenario.steps.length - 1 ? (scenario.settleMs ?? 0) : 0;
    answers.push(await session.step(step, settleMs));
    if (session.isClosed) closedInStep ??= number;
  }
  return { answers, closedInStep };
}

class Session implements Disposable {
  readonly #socket: Socket;
  readonly #decoder = new StreamDecoder(DaemonMessage);
  #answers: DaemonMessage[] = [];
  #failure: unknown = null;
  #onAnswer: () => void = () => undefined;
  isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
      this.#onAnswer();
    });
  }

  static async open(port: number): Promise<Session> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new Session(socket);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  /** Sends a step and waits for its answers, and then for a pong: what came before that belongs to this step. */
  async step({ send, answers }: Step, settleMs = 0): Promise<readonly DaemonMessage[]> {
    if (this.isClosed) return [];
    this.#send(send);
    const isComplete = answers === "endOfReading" ? hasEndOfReading : (all: readonly DaemonMessage[]) => all.length >= answers;
    await this.#until(isComplete);
    if (settleMs > 0) await new Promise((resolve) => setTimeout(resolve, settleMs));
    const pongs = countPongs(this.#answers);
    this.#send([{ kind: "ping" }]);
    await this.#until((all) => countPongs(all) > pongs);
    const collected = this.#answers;
    this.#answers = [];
    const last = collected.findLastIndex(({ kind }) => kind === "pong");
    return countPongs(collected) > pongs ? collected.toSpliced(last, 1) : collected;
  }

  #send(messages: readonly ClientMessage[]): void {
    const writer = new Writer();
    for (const message of messages) ClientMessage.write(writer, message);
    this.#socket.write(Buffer.concat(writer.take()));
  }

  #receive(bytes: Uint8Array): void {
    try {
      // Messages keep views of the bytes, which are Node's to give and not used again.
      this.#decoder.feed(bytes);
      for (let message = this.#decoder.next(); message !== undefined; message = this.#decoder.next()) this.#answers.push(message);
    } catch (error) {
      this.#failure ??= error;
      this.#socket.destroy();
    }
    this.#onAnswer();
  }

  /** Returns also when the connection is closed or the time is over; what is missing shows in the answers. */
  async #until(isComplete: (answers: readonly DaemonMessage[]) => boolean): Promise<void> {
    const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    while (!isComplete(this.#answers) && !this.isClosed && !timeout.aborted) {
      await new Promise<void>((resolve) => {
        this.#onAnswer = resolve;
        timeout.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    if (this.#failure !== null) throw new Error("the agent sent what is no message", { cause: this.#failure });
  }
}

function countPongs(messages: readonly DaemonMessage[]): number {
  return messages.filter(({ kind }) => kind === "pong").length;
}

function hasEndOfReading(messages: readonly DaemonMessage[]): boolean {
  return messages.some((message) => {
    if (message.kind !== "tcpOutgoing" && message.kind !== "udpOutgoing") return false;
    const { value } = message;
    return value.kind === "close" || (value.kind === "read" && value.value.kind === "ok" && value.value.value.bytes.length === 0);
  });
}
