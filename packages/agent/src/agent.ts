// One agent from start to end: listens, finds the target, serves clients, and leaves with an exit code. Everything that sessions share is made
// here and handed on; nothing is global, so that one process can hold several agents.

import { createServer } from "node:net";
import { getgid } from "node:process";
import { Writer } from "@understudy/protocol";
import type { AgentOptions } from "./cli.ts";
import { createResolver } from "./dns/resolver.ts";
import { parseEnviron } from "./env/environ.ts";
import { selectEnvironment } from "./env/select.ts";
import { AnswerBuffers } from "./files/answerBuffer.ts";
import { createFiles } from "./files/files.ts";
import { InstantReads } from "./files/instantReads.ts";
import { readTargetFile } from "./files/readTargetFile.ts";
import { TargetPaths } from "./files/targetPaths.ts";
import { IncomingTraffic } from "./incoming/incomingTraffic.ts";
import { createRedirector } from "./incoming/redirect/redirector.ts";
import type { DescriptorSink } from "./log/lineSink.ts";
import type { Log } from "./log/log.ts";
import { reportBug } from "./log/reportBug.ts";
import { Metrics } from "./metrics/metrics.ts";
import { startMetricsServer } from "./metrics/server.ts";
import { findEphemeralTarget, openRoot, readEnviron, type Target, targetless } from "./runtime/target.ts";
import type { Services } from "./session/services.ts";
import { Sessions } from "./session/sessions.ts";
import type { Settings } from "./settings.ts";
import { type ListeningSocket, takeListeningSocket } from "./socket/acceptHandles.ts";
import { ReceiveBuffers } from "./socket/receiveBuffer.ts";
import { watchEventLoopDelay } from "./task/eventLoopDelay.ts";
import { MemoryBudget } from "./task/memoryBudget.ts";
import { createTurnEnd } from "./task/turnEnd.ts";
import { AGENT_VERSION } from "./version.ts";

/** Most bytes of one write-ahead copy: payloads up to here are copied into shared memory, larger ones referenced. */
const COPY_MAX_BYTES = 16 * 1024;
const SCRATCH_BYTES = 64 * 1024;
const CLIENT_BACKLOG = 1024;
/** As clients expect it of every agent. */
const CONNECT_TIMEOUT_MS = 5000;
const STUCK_PEER_TIMEOUT_MS = 30_000;
/** Time for redirected connections to end when the agent stops, in ms, before and after its clients were told. Together with the clients' own time well below what `main.ts` allows. */
const DRAIN_MS = 1500;
const LAST_DRAIN_MS = 500;

/** A failure to start that the admin can act on; it has been logged. */
export class StartError extends Error {
  override readonly name = "StartError";
}

export interface AgentParts {
  readonly options: AgentOptions;
  readonly settings: Settings;
  readonly log: Log;
  /** Where the line goes that clients wait for. */
  readonly sink: DescriptorSink;
  /** Aborted to stop the agent; its reason is told to the clients. */
  readonly stop: AbortSignal;
}

/**
 * Runs until the last client has left, nobody came, or `stop` aborts. Resolves to the exit code.
 * @throws StartError
 */
export async function runAgent({ options, settings, log, sink, stop }: AgentParts): Promise<number> {
  refuseUnavailable(options, settings, log);
  await using owned = new AsyncDisposableStack();
  const listening = owned.use(await listen(options.communicatePort, log));
  const target = await findTarget(options, settings, log);
  const environment = await targetEnvironment(target, log);
  // Both modes of today stay in the network namespace they are in, so the pool's threads may be made now.
  sink.usePool();
  const root = owned.adopt(await openTargetRoot(target, log), (handle) => handle.close());

  const metrics = new Metrics();
  if (options.metrics !== null) {
    const { ip: host, port } = options.metrics;
    owned.use(await startMetricsServer({ host, port, metrics, log: log.child("agent::metrics") }));
  }
  metrics.logLinesDropped.from(() => sink.droppedLines);
  owned.use(watchEventLoopDelay({ log, delaySeconds: metrics.eventLoopDelaySeconds, stalls: metrics.eventLoopStalls }));

  const budget = new MemoryBudget({ totalBytes: settings.totalBufferBytes, shareMaxBytes: settings.sessionBufferBytes });
  metrics.bufferedBytes.from(() => budget.usedBytes);
  metrics.bufferedBytesLimit.set(settings.totalBufferBytes);
  const resolver = owned.use(
    createResolver({
      readTargetFile: (path, maxBytes) => readTargetFile(root.fd, path, maxBytes),
      timeoutMs: settings.dnsTimeoutMs,
      attempts: settings.dnsAttempts,
      requestCount: metrics.dnsRequestCount,
      log: log.child("agent::dns"),
    }),
  );
  const paths = new TargetPaths(root.fd);
  const buffers = new ReceiveBuffers();
  const instantReads = new InstantReads();
  const incoming = target.pid === null ? null : owned.use(createIncoming(settings, log, metrics, buffers));
  const services: Services = {
    log: log.child("agent::session"),
    metrics,
    limits: {
      maxMessageBytes: settings.maxMessageBytes,
      maxPendingBytes: settings.sessionBufferBytes,
      maxConnections: settings.maxConnections,
      deafTimeoutMs: settings.deafClientTimeoutMs,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      stuckPeerTimeoutMs: STUCK_PEER_TIMEOUT_MS,
    },
    budget,
    buffers,
    answerBuffers: new AnswerBuffers(),
    turnEnd: createTurnEnd((error) => reportBug(log, error)),
    writer: new Writer({ copyMaxBytes: COPY_MAX_BYTES, scratchBytes: SCRATCH_BYTES }),
    environment,
    selectEnvironment,
    openFiles: (signal) =>
      createFiles({
        rootFd: root.fd,
        log: log.child("agent::files"),
        openFds: metrics.openFdCount,
        limits: { maxOpenFiles: settings.maxOpenFiles },
        instantReads,
        fullTimes: settings.fullFileTimes,
        signal,
      }),
    locate: (path) => paths.locate("root", path),
    resolver,
    joinIncoming: incoming === null ? null : (link, onRelief) => incoming.join(link, onRelief),
  };
  const sessions = owned.use(new Sessions({ services, maxSessions: settings.maxSessions }));
  listening.accept((accepted) => sessions.add(accepted), { paused: (error) => log.event("ACCEPT_PAUSED", { error: error.message }) });
  sink.write(`agent ready - version ${AGENT_VERSION}\n`, "required");
  log.event("SERVING", { version: AGENT_VERSION, port: options.communicatePort, mode: options.mode.kind });
  // Awaited here: what is owned is given back when this function ends.
  return await serve({ sessions, incoming, listening, options, settings, log, stop });
}

interface Serving {
  readonly sessions: Sessions;
  readonly incoming: IncomingTraffic | null;
  readonly listening: ListeningSocket;
  readonly options: AgentOptions;
  readonly settings: Settings;
  readonly log: Log;
  readonly stop: AbortSignal;
}

/** From ready to the end. */
async function serve({ sessions, incoming, listening, options, settings, log, stop }: Serving): Promise<number> {
  const stopped = aborted(stop);
  const came = await Promise.race([sessions.first.then(() => true), stopped.then(() => true), after(options.communicationTimeoutMs, stop)]);
  if (!came) {
    log.event("NO_CLIENT_CAME", { timeoutSeconds: options.communicationTimeoutMs / 1000 });
    return 1;
  }
  if (options.testError && !stop.aborted) return 1;
  await Promise.race([sessions.idle(settings.idleTtlMs, stop), stopped]);
  const reason = stop.aborted ? String(stop.reason) : "no client is left";
  log.event("STOPPING", { reason });
  listening[Symbol.dispose]();
  // From here on nothing new is redirected, and what was is finished: first what needs no more than time, then what loses its client.
  await incoming?.drain(DRAIN_MS);
  await sessions.close(`the agent is stopping: ${reason}`);
  await incoming?.drain(LAST_DRAIN_MS);
  await incoming?.[Symbol.asyncDispose]();
  return 0;
}

/** What this version lacks is refused where going on without it would break a promise, and named where it would not. */
function refuseUnavailable(options: AgentOptions, settings: Settings, log: Log): void {
  if (settings.stealTls.length > 0) log.event("NOT_AVAILABLE", { feature: "TLS of stolen ports: their traffic is handled as it comes" });
  if (options.operatorTlsCertPem === null) return;
  // The operator was promised that nobody else is served.
  log.event("NOT_AVAILABLE", { feature: "operator TLS" });
  throw new StartError("operator TLS is not available in this version");
}

async function listen(port: number, log: Log): Promise<ListeningSocket> {
  try {
    return await listenOn("::", port);
  } catch (error) {
    log.event("LISTEN_IPV6_UNAVAILABLE", { port, error: String(error) });
  }
  try {
    return await listenOn("0.0.0.0", port);
  } catch (error) {
    log.event("LISTEN_FAILED", { port, error: String(error) });
    throw new StartError(`port ${port} cannot be listened on`, { cause: error });
  }
}

/** From here on clients may connect; they wait in the kernel's queue until the agent is ready. */
function listenOn(host: string, port: number): Promise<ListeningSocket> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port, backlog: CLIENT_BACKLOG }, () => resolve(takeListeningSocket(server)));
  });
}

async function findTarget({ mode }: AgentOptions, settings: Settings, log: Log): Promise<Target> {
  switch (mode.kind) {
    case "targetless":
      return targetless;
    case "ephemeral": {
      const target = await findEphemeralTarget(settings.ephemeralTargetContainerId, process.env, log.child("agent::runtime"));
      log.event("TARGET_FOUND", { pid: target.pid ?? 0 });
      return target;
    }
    case "targeted":
      log.event("TARGET_NOT_FOUND", {
        containerId: mode.containerId,
        runtime: mode.containerRuntime,
        error: "this version cannot look up containers",
      });
      throw new StartError("the targeted mode is not available in this version: start the agent in an ephemeral container");
  }
}

async function targetEnvironment(target: Target, log: Log): Promise<ReadonlyMap<string, string>> {
  try {
    return new Map([...target.specifiedEnvironment, ...parseEnviron(await readEnviron(target))]);
  } catch (error) {
    log.event("ENVIRON_UNREADABLE", { pid: target.pid ?? 0, error: String(error) });
    return target.specifiedEnvironment;
  }
}

async function openTargetRoot(target: Target, log: Log): ReturnType<typeof openRoot> {
  try {
    return await openRoot(target);
  } catch (error) {
    log.event("TARGET_NOT_FOUND", { pid: target.pid ?? 0, error: String(error) });
    throw new StartError("the target's root directory cannot be opened", { cause: error });
  }
}

function createIncoming(settings: Settings, log: Log, metrics: Metrics, buffers: ReceiveBuffers): IncomingTraffic {
  const redirectLog = log.child("agent::incoming::redirect");
  return new IncomingTraffic({
    openRedirector: (onConnection, onLost) =>
      createRedirector({
        onConnection,
        onLost,
        log: redirectLog,
        metrics,
        ownGroup: getgid?.() ?? 0,
        flushConnections: settings.flushConnections,
        flushConntrack: settings.flushConntrack,
      }),
    log: log.child("agent::incoming"),
    metrics,
    buffers,
    agentVersion: AGENT_VERSION,
    detectionTimeoutMs: settings.httpDetectionTimeoutMs,
    detectionMaxBytes: settings.detectionMaxBytes,
    unusedPortLingerMs: settings.unusedPortLingerMs,
    keepsAddress: settings.externalIpFix,
    overridesCacheControl: settings.overrideCacheControl,
    injectsHeaders: settings.injectHeaders,
    maxPendingBytes: settings.sessionBufferBytes,
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Resolves to false after a time; never when `signal` aborts first. */
function after(ms: number, signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });
}
