// One client, from its connection to its end: reads its messages, gives each to the domain it belongs to, and sends the answers in the order the
// protocol promises. Kinds of requests do not wait for each other. A client that asks for more than it takes is not read from for a while.

import {
  ClientMessage,
  clientRelays,
  type DaemonMessage,
  type LogLevel,
  negotiate,
  PROTOCOL_VERSION,
  ProtocolError,
  StreamDecoder,
  unlockedGates,
  UNNEGOTIATED_VERSION,
  type VersionGate,
} from "@understudy/protocol";
import type { CopyRoom, ReusedBuffer, SessionLink } from "../link/sessionLink.ts";
import type { ByteSocket, SocketReader } from "../socket/byteSocket.ts";
import { copyRoom, hasDrained } from "./copyRoom.ts";
import { EnvironmentRequests } from "./environmentRequests.ts";
import { FileRequests } from "./fileRequests.ts";
import { NameRequests } from "./nameRequests.ts";
import { Outbox } from "./outbox.ts";
import { OutgoingConnections } from "./outgoingConnections.ts";
import { reportBug } from "../log/reportBug.ts";
import * as refusals from "./refusals.ts";
import type { IncomingClient, Services, TargetPart } from "./services.ts";
import { trafficKind } from "./trafficKind.ts";

/** Longest stretch of handling one client's messages, in ms, before everybody else has a turn. */
const SLICE_MS = 2;
/** Messages of one kind in a row after which the time is looked at. */
const MESSAGES_PER_LOOK = 16;
/** Answers that may wait for a client that does not read, in bytes, before it is not read from. */
const MAX_WAITING_ANSWER_BYTES = 256 * 1024;
/** Requests under way or waiting, of files and of names each, before the client is not read from. */
const MAX_WAITING_REQUESTS = 1024;
/** Texts that are sent although there is no room for data; more are dropped until there is. */
const MAX_TEXTS_WITHOUT_ROOM = 16;
/** Time for the last messages to leave when the agent ends a session, in ms. */
const GOODBYE_MS = 1000;
/** Time for a client to close its connection once its session is over, in ms. */
const LINGER_MS = 1000;

export class Session implements SessionLink {
  readonly id: number;
  readonly #services: Services;
  readonly #socket: ByteSocket;
  readonly #decoder: StreamDecoder<ClientMessage>;
  readonly #outbox: Outbox;
  readonly #ending = new AbortController();
  readonly #left = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #received;
  readonly #share;
  readonly #copyShare;

  readonly #outgoing: OutgoingConnections;
  readonly #fileRequests: FileRequests;
  readonly #nameRequests: NameRequests;
  readonly #environmentRequests: EnvironmentRequests;
  #incoming: IncomingClient | null = null;

  /** What the client announced; gates are judged by it, not by the lower of both versions. */
  #gates: ReadonlySet<VersionGate> = unlockedGates(UNNEGOTIATED_VERSION);
  #isReadyForLogs = false;
  #textsWithoutRoom = 0;
  /** Parts of the target that the client was told are out of reach. */
  readonly #told = new Set<TargetPart>();
  /** True while received bytes wait for the next slice or for room. */
  #isReadingHeld = false;
  /** Whether something came since the last look. */
  #wasHeard = false;
  #lastHeardMs: number;
  /** Received bytes that the metrics know of. */
  #countedBytes = 0;

  /** @param open makes the connection to the client, whose bytes go to `reader`. */
  constructor(id: number, open: (reader: SocketReader) => ByteSocket, services: Services) {
    this.id = id;
    this.#services = services;
    const { metrics, limits, budget, turnEnd, writer } = services;
    this.#lastHeardMs = performance.now();
    this.#decoder = new StreamDecoder(ClientMessage, { relays: clientRelays, maxMessageBytes: limits.maxMessageBytes });
    this.#received = budget.open();
    this.#share = budget.open();
    this.#copyShare = budget.open();
    this.#socket = open({
      bytes: (view) => this.#receive(view),
      ended: () => this.#end("client ended the connection"),
      drained: () => this.#outbox.drained(),
      closed: (error) => this.#end(error === null ? "connection closed" : `connection lost: ${error.message}`),
    });
    this.#outbox = new Outbox({
      socket: this.#socket,
      writer,
      share: this.#share,
      copyShare: this.#copyShare,
      haveCopiesDrained: () => hasDrained(this.#copyShare.heldBytes, budget),
      turnEnd,
      sentBytes: metrics.sentBytes,
      onRelief: () => this.#continue(),
    });
    const onRelief = (): void => this.#continue();
    this.#outgoing = new OutgoingConnections({ link: this, services, onRelief });
    const onError = (error: unknown): void => this.#workFailed(error);
    this.#fileRequests = new FileRequests({
      link: this,
      services,
      send: (response, buffer) => this.#outbox.send({ kind: "file", value: response }, "files", buffer),
      onDone: onRelief,
      onError,
    });
    const answering = { signal: this.signal, send: (answer: DaemonMessage) => this.#answer(answer), onError };
    this.#nameRequests = new NameRequests({ resolver: services.resolver, ...answering });
    this.#environmentRequests = new EnvironmentRequests({ services, ...answering });
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Resolves when the session is over. Something it has may be given back later: a file call can be stuck in a dead file system. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /** Resolves when the session is over and everything it had is given back. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  allows(gate: VersionGate): boolean {
    return this.#gates.has(gate);
  }

  reply(message: DaemonMessage): void {
    this.#outbox.send(message, "answers");
  }

  stream(message: DaemonMessage, buffer?: ReusedBuffer): void {
    this.#services.work.goOn("data for a client");
    this.#outbox.send(message, "data", buffer);
  }

  streamLater(message: DaemonMessage): void {
    this.#outbox.sendLater(message, "data");
  }

  /** What waits to be sent to the client. */
  get bufferedBytes(): number {
    return this.#share.heldBytes;
  }

  get streamPosition(): number {
    return this.#outbox.dataPosition;
  }

  hasBegunToSend(position: number): boolean {
    return this.#outbox.hasBegunToSend(position);
  }

  get hasRoom(): boolean {
    return this.#share.hasRoom;
  }

  get mayBegin(): boolean {
    return this.#share.heldBytes < 2 * this.#services.budget.shareLimitBytes;
  }

  whenRoom(resume: () => void): () => void {
    return this.#outbox.whenRoom(resume);
  }

  copy(message: DaemonMessage, buffer?: ReusedBuffer): void {
    this.#services.work.goOn("a copy for a client");
    this.#outbox.send(message, "copies", buffer);
  }

  get copyRoom(): CopyRoom {
    return copyRoom(this.#copyShare.heldBytes, this.#services.budget);
  }

  whenCopyRoom(resume: () => void): () => void {
    return this.#outbox.whenCopyRoom(resume);
  }

  tell(level: LogLevel, message: string): void {
    if (!this.#isReadyForLogs || (level === "info" && !this.allows("infoLog"))) return;
    this.#textsWithoutRoom = this.hasRoom ? 0 : this.#textsWithoutRoom + 1;
    if (this.#textsWithoutRoom > MAX_TEXTS_WITHOUT_ROOM) return;
    this.#outbox.send({ kind: "logMessage", value: { message, level } }, "data");
  }

  /** Tells the client why, after everything that was already answered, and ends the session. */
  async goodbye(reason: string): Promise<void> {
    if (this.signal.aborted) return this.ended;
    this.#socket.pause();
    this.#outbox.sendLast({ kind: "close", value: reason });
    await Promise.race([this.#outbox.emptied(), this.ended, timer(GOODBYE_MS, this.signal)]);
    this.#end(reason);
    return this.ended;
  }

  /** A part of the agent failed in a way that it should not have: an agent's bug, and the end of this session only. */
  fail(error: unknown): void {
    reportBug(this.#services.log, error, { session: this.id });
    void this.goodbye("internal error in the agent; its log says more");
  }

  /** Work that the session's end broke off has not failed. */
  #workFailed(error: unknown): void {
    if (!this.signal.aborted) this.fail(error);
  }

  /** Ends the session when its client has taken nothing, or said nothing, for too long. Called from time to time. */
  checkClient(nowMs: number): void {
    const { deafTimeoutMs, silentTimeoutMs } = this.#services.limits;
    if (this.#outbox.stalledMs(nowMs) >= deafTimeoutMs) {
      this.#services.metrics.deafSessions.add();
      this.#socket.destroy();
      this.#end("client did not read for too long");
      return;
    }
    // Who is not read from cannot be heard.
    if (this.#wasHeard || this.#isReadingHeld) this.#lastHeardMs = nowMs;
    this.#wasHeard = false;
    if (silentTimeoutMs === 0 || nowMs - this.#lastHeardMs < silentTimeoutMs || this.signal.aborted) return;
    this.#services.metrics.silentSessions.add();
    void this.goodbye(`the client said nothing for ${silentTimeoutMs / 1000} s`);
  }

  #receive(view: Uint8Array): boolean {
    if (this.signal.aborted) return true;
    this.#wasHeard = true;
    this.#decoder.feed(view);
    const mayGoOn = this.#handleReceived();
    // The rest is handled after this call, and may be referenced for longer still.
    if (!this.#decoder.isDrained) this.#socket.keep();
    return mayGoOn;
  }

  /** Handles what was received. Returns false when the rest must wait. */
  #handleReceived(): boolean {
    const { work } = this.#services;
    const began = work.begin("decoding a client's messages");
    try {
      for (let count = 1; !this.signal.aborted; count += 1) {
        const message = this.#decoder.next();
        if (message === undefined) break;
        if (count % MESSAGES_PER_LOOK === 0) work.begin(message.kind);
        else work.goOn(message.kind);
        this.#countReceived(message);
        this.#handle(message);
        if (work.sinceMs - began > SLICE_MS && !this.#decoder.isDrained) {
          this.#isReadingHeld = true;
          setImmediate(() => this.#resumeHeld());
          return false;
        }
      }
    } catch (error) {
      if (error instanceof ProtocolError) this.#refuse(error);
      else this.fail(error);
      return false;
    }
    this.#received.hold(this.#decoder.pendingBytes);
    if (this.#services.budget.isTight && !this.#received.hasRoom) {
      void this.goodbye(`message of over ${this.#decoder.pendingBytes} bytes: the agent's memory is used up`);
      return false;
    }
    if (!this.#mustWait()) return true;
    this.#isReadingHeld = true;
    return false;
  }

  #countReceived(message: ClientMessage): void {
    const { position } = this.#decoder;
    this.#services.metrics.receivedBytes.with(trafficKind(message)).add(position - this.#countedBytes);
    this.#countedBytes = position;
  }

  #resumeHeld(): void {
    if (!this.#isReadingHeld || this.signal.aborted) return;
    this.#isReadingHeld = false;
    if (this.#handleReceived()) this.#socket.resume();
  }

  /** Something that reading waits for may have become less. */
  #continue(): void {
    if (this.#outbox.queuedBytes === 0) this.#fileRequests.allLeft();
    if (this.#isReadingHeld && this.#decoder.isDrained && !this.#mustWait()) this.#resumeHeld();
  }

  #mustWait(): boolean {
    return (
      this.#outbox.answerBytes > MAX_WAITING_ANSWER_BYTES ||
      this.#fileRequests.pending > MAX_WAITING_REQUESTS ||
      this.#nameRequests.pending > MAX_WAITING_REQUESTS ||
      this.#environmentRequests.pending > MAX_WAITING_REQUESTS ||
      this.#outgoing.isOverfull ||
      this.#incoming?.isOverfull === true
    );
  }

  #handle(message: ClientMessage): void {
    switch (message.kind) {
      case "ping":
        this.reply({ kind: "pong" });
        return;
      case "tcpOutgoing":
        this.#outgoing.handleTcp(message.value, this.#socket);
        return;
      case "udpOutgoing":
        this.#outgoing.handleUdp(message.value);
        return;
      case "tcpSteal":
        this.#steal(message.value);
        return;
      case "tcp":
        this.#mirror(message.value);
        return;
      case "fileRequest":
        this.#tellRefusal("files");
        this.#fileRequests.add(message.value);
        return;
      case "getEnvVarsRequest":
        this.#tellRefusal("environment");
        this.#environmentRequests.ask(message.value.envVarsFilter, message.value.envVarsSelect);
        return;
      case "getAddrInfoRequest":
        this.#nameRequests.lookUp(message.value.node, "ipv4Only");
        return;
      case "getAddrInfoRequestV2":
        this.#nameRequests.lookUp(message.value.node, message.value.family);
        return;
      case "reverseDnsLookup":
        this.#nameRequests.reverse(message.value.ipAddress);
        return;
      case "switchProtocolVersion":
        this.#gates = unlockedGates(message.value);
        this.reply({ kind: "switchProtocolVersionResponse", value: negotiate(PROTOCOL_VERSION, message.value) });
        return;
      case "readyForLogs":
        this.#isReadyForLogs = true;
        return;
      case "close":
        this.#end("client closed the session");
        return;
      case "seqpacketOutgoing":
        this.#outgoing.handleSeqpacket(message.value);
        return;
      case "pauseTargetRequest":
        this.#refuseUnsupported(refusals.pauseTarget);
        return;
      case "vpn":
        this.#refuseUnsupported(refusals.vpn);
        return;
      case "shareLink":
        // Without a target there are no requests that a link could lead to.
        this.#joinIncoming()?.share(message.value);
        return;
      // Operators send it; without one it asks for nothing.
      case "operatorPong":
        return;
    }
  }

  #steal(message: Extract<ClientMessage, { kind: "tcpSteal" }>["value"]): void {
    const incoming = this.#joinIncoming();
    if (incoming === null) this.#refuseUnsupported(refusals.stealTargetless);
    else incoming.steal(message, this.#socket);
  }

  #mirror(message: Extract<ClientMessage, { kind: "tcp" }>["value"]): void {
    const incoming = this.#joinIncoming();
    if (incoming === null) this.#refuseUnsupported(refusals.mirrorTargetless);
    else incoming.mirror(message);
  }

  #refuseUnsupported(answer: DaemonMessage): void {
    this.#services.metrics.refusedMessages.with("unsupported").add();
    this.reply(answer);
  }

  #joinIncoming(): IncomingClient | null {
    const { joinIncoming } = this.#services;
    this.#incoming ??= joinIncoming === null ? null : joinIncoming(this, () => this.#continue());
    return this.#incoming;
  }

  /** The protocol's answers to some requests have no room for a reason: the client gets it beside the first of them. */
  #tellRefusal(part: TargetPart): void {
    const refusal = this.#services.refusals[part];
    if (refusal === null || this.#told.has(part)) return;
    this.#told.add(part);
    this.tell("warn", refusal);
  }

  #answer(answer: DaemonMessage): void {
    this.reply(answer);
    this.#continue();
  }

  #refuse(error: ProtocolError): void {
    const { log, metrics } = this.#services;
    metrics.decodeErrors.add();
    const fields = { session: this.id, offset: this.#decoder.messageOffset, problem: withoutQuotes(error.message) };
    if (error.code === "malformed") log.event("MALFORMED_MESSAGE", fields);
    else {
      metrics.refusedMessages.with("too_large").add();
      log.debug("message exceeds a limit", fields);
    }
    void this.goodbye(`message refused: ${error.message}`);
  }

  #end(why: string): void {
    if (this.signal.aborted) return;
    const { log } = this.#services;
    if (log.isDebug) log.debug("session ended", { session: this.id, why, isInsideMessage: this.#decoder.isInsideMessage });
    this.#ending.abort();
    this.#environmentRequests.clear();
    this.#outgoing[Symbol.dispose]();
    this.#incoming?.[Symbol.dispose]();
    this.#outbox.close();
    this.#received.hold(0);
    this.#socket.endAndLinger(LINGER_MS, GOODBYE_MS);
    this.#left.resolve();
    void this.#giveBack();
  }

  async #giveBack(): Promise<void> {
    try {
      await this.#fileRequests[Symbol.asyncDispose]();
    } catch (error) {
      this.#services.log.event("AGENT_BUG", { session: this.id, error: String(error) });
    }
    this.#ended.resolve();
  }
}

/** Texts of a peer may be secrets: the log gets none of what it sent. */
function withoutQuotes(text: string): string {
  return text.replace(/"(?:\\.|[^"\\])*"/g, '"…"');
}

/** Resolves after a time, or when `signal` aborts. */
function timer(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timeout = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timeout);
      resolve();
    });
  });
}
