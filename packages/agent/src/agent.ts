// One agent from start to end: listens, finds the target, serves clients, and leaves with an exit code. Everything that sessions share is made
// here and handed on; nothing is global, so that one process can hold several agents.

import { createServer } from "node:net";
import { getgid } from "node:process";
import { Writer } from "@understudy/protocol";
import type { AgentOptions } from "./cli.ts";
import { createRefusingResolver } from "./dns/refusingResolver.ts";
import { createResolver } from "./dns/resolver.ts";
import { selectEnvironment } from "./env/select.ts";
import { AnswerBuffers } from "./files/answerBuffer.ts";
import { createFiles } from "./files/files.ts";
import { InstantReads } from "./files/instantReads.ts";
import { listTargetDirectory } from "./files/listTargetDirectory.ts";
import { readTargetFile } from "./files/readTargetFile.ts";
import { findWalker, TargetPaths } from "./files/targetPaths.ts";
import type { FilterServices } from "./incoming/http/filter/compiledFilter.ts";
import { createFilterServices } from "./incoming/http/filter/filterServices.ts";
import { createJqEngine } from "./incoming/http/filter/jq/jqEngine.ts";
import { IncomingTraffic } from "./incoming/incomingTraffic.ts";
import { TlsPorts } from "./incoming/tls/tlsPorts.ts";
import type { TargetFiles } from "./incoming/tls/trustRoots.ts";
import { joinLauncher, type Launcher } from "./incoming/redirect/launcher.ts";
import type { Redirector } from "./incoming/redirect/redirector.ts";
import { RedirectError } from "./incoming/redirect/redirectError.ts";
import { hasLeftoverRules, leftoverRulesText } from "./incoming/redirect/leftoverRules.ts";
import { excludeFromMesh } from "./incoming/redirect/meshExclusion.ts";
import { passMark } from "./incoming/redirect/ownTraffic.ts";
import { createRedirector } from "./incoming/redirect/redirector.ts";
import type { DescriptorSink } from "./log/lineSink.ts";
import type { Log } from "./log/log.ts";
import { reportBug } from "./log/reportBug.ts";
import { Metrics } from "./metrics/metrics.ts";
import { type AgentState, startMetricsServer } from "./metrics/server.ts";
import { CapabilityReport } from "./namespace/capabilityReport.ts";
import { watchProcessExit } from "./namespace/processExit.ts";
import { giveUpRights, heldRights } from "./namespace/rights.ts";
import { tryNames, tryRedirecting } from "./featureTrials.ts";
import type { OperatorTls } from "./session/operatorTls.ts";
import type { Services } from "./session/services.ts";
import { Sessions } from "./session/sessions.ts";
import type { Settings } from "./settings.ts";
import { type ListeningSocket, takeListeningSocket } from "./socket/acceptHandles.ts";
import { ReceiveBuffers } from "./socket/receiveBuffer.ts";
import { watchCpuLimit } from "./task/cpuLimit.ts";
import { CurrentWork } from "./task/currentWork.ts";
import { type EventLoopDelayOptions, watchEventLoopDelay } from "./task/eventLoopDelay.ts";
import { MemoryBudget } from "./task/memoryBudget.ts";
import type { ThreadPool } from "./task/threadPool.ts";
import { createTurnEnd } from "./task/turnEnd.ts";
import { giveBackSpareMemory } from "./spareMemory.ts";
import { StartError } from "./startError.ts";
import { findTarget, openTargetRoot, readTargetEnvironment, type Target } from "./target.ts";
import { AGENT_VERSION } from "./version.ts";

/** Most bytes of one write-ahead copy: payloads up to here are copied into shared memory, larger ones referenced. */
const COPY_MAX_BYTES = 16 * 1024;
const SCRATCH_BYTES = 64 * 1024;
const CLIENT_BACKLOG = 1024;
/** As clients expect it of every agent. */
const CONNECT_TIMEOUT_MS = 5000;
const STUCK_PEER_TIMEOUT_MS = 30_000;
const HEAD_TIMEOUT_MS = 10_000;
/** Time for redirected connections to end when the agent stops, in ms, before and after its clients were told. Together with the clients' own time well below what `main.ts` allows. */
const DRAIN_MS = 1500;
const LAST_DRAIN_MS = 500;

/** Code of an agent that found redirect rules of another. Whoever started it must not remove them. */
const LEFTOVER_RULES_EXIT_CODE = 99;

export interface AgentParts {
  /** The threads of this process's pool. */
  readonly threads: ThreadPool;
  readonly options: AgentOptions;
  readonly settings: Settings;
  readonly log: Log;
  /** Where the line goes that clients wait for. */
  readonly sink: DescriptorSink;
  /** Aborted to stop the agent; its reason is told to the clients. */
  readonly stop: AbortSignal;
  /** Told when the first client has come. */
  readonly onFirstClient: () => void;
  /** Told when the agent begins to end, for whatever reason. */
  readonly onStopping: () => void;
}

/**
 * Runs until the last client has left, nobody came, or `stop` aborts. Resolves to the exit code.
 * @throws StartError
 */
export async function runAgent({ options, settings, log, sink, threads, stop, onFirstClient, onStopping }: AgentParts): Promise<number> {
  const operatorTls = await openOperatorTls(options, log);
  await using owned = new AsyncDisposableStack();
  const listening = owned.use(await listen(options.communicatePort, settings.listenAddress, log));
  const metrics = new Metrics();
  const work = new CurrentWork();
  const report = new CapabilityReport(options.mode.kind, heldRights());
  let state: AgentState = "starting";
  if (options.metrics !== null) {
    const { ip: host, port } = options.metrics;
    const serving = { host, port, metrics, work, log: log.child("agent::metrics"), state: () => state, capabilities: report };
    owned.use(await startMetricsServer(serving));
  }
  // What listens in the agent's own network does so by now: from here on sockets are made in the target's.
  const target = owned.use(await findTarget({ options, settings, log, report, stop }));
  const environment = readTargetEnvironment(target, report);
  const root = owned.use(openTargetRoot(target, report));
  giveUpRights(log);
  // The pool's threads stay in the network namespace in which they are made.
  sink.usePool();
  const ended = new AbortController();
  if (target.process !== null) owned.use(watchProcessExit(target.process, () => endWithTarget(target, ended, log)));
  const stopping = AbortSignal.any([stop, ended.signal]);
  const rootFd = root?.fd ?? -1;
  const launcher = settings.isGuarded ? joinLauncher() : null;
  const { networkRefusal } = target;
  const hasTraffic = target.process !== null && networkRefusal === null;
  if (target.process === null) report.absent("redirect", "there is no target");
  // Both beside the rest of the start.
  const leftovers = hasTraffic ? findLeftoverRules(target, options, log) : Promise.resolve(false);
  const redirectTrial = hasTraffic ? tryRedirecting(settings, report) : Promise.resolve(null);
  const walker = root === null ? "nobody" : await findWalker(root.fd);
  if (walker !== "nobody") report.works("files", walker === "kernel" ? "openat2" : "a walk of the agent's own");

  metrics.logLinesDropped.from(() => sink.droppedLines);
  const cpuLimit = watchCpuLimit();
  owned.use(giveBackSpareMemory(work));
  owned.use(watchStalls(settings, metrics, { work, cpuLimit, log }));

  const budget = new MemoryBudget({ totalBytes: settings.totalBufferBytes, shareMaxBytes: settings.sessionBufferBytes });
  metrics.bufferedBytes.from(() => budget.usedBytes);
  metrics.stuckPoolCalls.from(() => threads.stuckCalls);
  metrics.poolCalls.from(() => threads.underWay);
  metrics.poolThreads.set(threads.size);
  metrics.bufferedBytesLimit.set(settings.totalBufferBytes);
  metrics.sessionBufferedBytesLimit.from(() => budget.shareLimitBytes);
  const targetFiles: TargetFiles = {
    read: (path, maxBytes) => readTargetFile(rootFd, path, maxBytes, { threads, walker }),
    list: (path) => listTargetDirectory(rootFd, path, { threads, walker }),
  };
  await Promise.all([tryNames(targetFiles, report), cpuLimit.look()]);
  const redirectRefusal = networkRefusal ?? (await redirectTrial);
  // Of a target that has just ended nothing else is wrong; the agent ends with it.
  if (target.process?.isThere !== false) report.tell(log);
  const namesRefusal = report.refusal("names");
  const resolver = owned.use(
    namesRefusal !== null
      ? createRefusingResolver(namesRefusal)
      : createResolver({
          readTargetFile: targetFiles.read,
          timeoutMs: settings.dnsTimeoutMs,
          attempts: settings.dnsAttempts,
          requestCount: metrics.dnsRequestCount,
          log: log.child("agent::dns"),
        }),
  );
  const buffers = new ReceiveBuffers();
  const instantReads = new InstantReads();
  const jq = owned.use(createJqEngine({ timeLimitMs: settings.jqTimeLimitMs, metrics, log: log.child("agent::incoming::jq") }));
  const filters = createFilterServices({
    jq,
    bodyMaxBytes: settings.bodyBufferMaxBytes,
    overruns: metrics.patternOverruns,
    seconds: metrics.filterSeconds,
  });
  const tls = stealTls(settings, targetFiles, log);
  const parts = { target, settings, log, metrics, work, buffers, budget, filters, launcher, tls, redirectRefusal };
  const incoming = target.process === null ? null : owned.use(createIncoming(parts));
  metrics.redirectedPorts.from(() => incoming?.portCount ?? 0);
  const services: Services = {
    log: log.child("agent::session"),
    metrics,
    work,
    limits: {
      maxMessageBytes: settings.maxMessageBytes,
      maxPendingBytes: settings.sessionBufferBytes,
      maxConnections: settings.maxConnections,
      deafTimeoutMs: settings.deafClientTimeoutMs,
      silentTimeoutMs: settings.silentClientTimeoutMs,
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
        rootFd,
        log: log.child("agent::files"),
        openFds: metrics.openFdCount,
        limits: { maxOpenFiles: settings.maxOpenFiles },
        instantReads,
        threads,
        walker,
        fullTimes: settings.fullFileTimes,
        signal,
      }),
    openLocator: (signal) => {
      const paths = new TargetPaths(rootFd, { pool: threads.share(signal), walker });
      return (path) => paths.locate("root", path);
    },
    resolver,
    networkRefusal,
    refusals: { files: report.refusal("files"), environment: report.refusal("environment") },
    joinIncoming: incoming === null ? null : (link, onRelief) => incoming.join(link, onRelief),
  };
  const sessions = owned.use(new Sessions({ services, maxSessions: settings.maxSessions, operatorTls }));
  metrics.sessionBufferedBytes.from(() => sessions.mostBufferedBytes);
  const isRefused = await leftovers;
  if (isRefused) await sessions.close(leftoverRulesText);
  else owned.use(await keepOutOfMesh(options, settings, launcher, log));
  listening.accept((accepted) => sessions.add(accepted), {
    paused: (error) => log.event("ACCEPT_PAUSED", { error: error.message }),
    crowded: (accepted) => sessions.add(accepted, "the agent has no descriptor left for another client"),
  });
  state = "ready";
  stopping.addEventListener("abort", () => (state = "stopping"), { once: true });
  sink.write(`agent ready - version ${AGENT_VERSION}\n`, "required");
  log.event("SERVING", { version: AGENT_VERSION, port: options.communicatePort, mode: options.mode.kind });
  void sessions.first.then(onFirstClient);
  // Awaited here: what is owned is given back when this function ends.
  const idleTtlMs = isRefused ? 0 : settings.idleTtlMs;
  const exitCode = await serve({ sessions, incoming, listening, options, idleTtlMs, log, stop: stopping, onStopping });
  return isRefused ? LEFTOVER_RULES_EXIT_CODE : exitCode;
}

interface Serving {
  readonly sessions: Sessions;
  readonly incoming: IncomingTraffic | null;
  readonly listening: ListeningSocket;
  readonly options: AgentOptions;
  /** How long to stay after the last client. */
  readonly idleTtlMs: number;
  readonly log: Log;
  readonly stop: AbortSignal;
  readonly onStopping: () => void;
}

/** From ready to the end. */
async function serve({ sessions, incoming, listening, options, idleTtlMs, log, stop, onStopping }: Serving): Promise<number> {
  const stopped = aborted(stop);
  const came = await Promise.race([sessions.first.then(() => true), stopped.then(() => true), after(options.communicationTimeoutMs, stop)]);
  if (!came) {
    log.event("NO_CLIENT_CAME", { timeoutSeconds: options.communicationTimeoutMs / 1000 });
    return 1;
  }
  if (options.testError && !stop.aborted) return 1;
  await Promise.race([sessions.idle(idleTtlMs, stop), stopped]);
  const reason = stop.aborted ? String(stop.reason) : "no client is left";
  log.event("STOPPING", { reason });
  onStopping();
  listening[Symbol.dispose]();
  // From here on nothing new is redirected, and what was is finished: first what needs no more than time, then what loses its client.
  await incoming?.drain(DRAIN_MS);
  await sessions.close(`the agent is stopping: ${reason}`);
  await incoming?.drain(LAST_DRAIN_MS);
  await incoming?.[Symbol.asyncDispose]();
  return 0;
}

/** With the operator's certificate nobody else is served; without, null. */
async function openOperatorTls({ operatorTlsCertPem: pem }: AgentOptions, log: Log): Promise<OperatorTls | null> {
  if (pem === null) return null;
  // TLS is loaded only where it is needed.
  const [{ readOperatorCertificate }, { OperatorTls }] = await Promise.all([
    import("./session/operatorCertificate.ts"),
    import("./session/operatorTls.ts"),
  ]);
  try {
    return new OperatorTls(readOperatorCertificate(pem));
  } catch (error) {
    log.event("OPERATOR_CERTIFICATE_UNUSABLE", { error: error instanceof Error ? error.message : String(error) });
    throw new StartError("the operator's certificate cannot be used", { cause: error });
  }
}

/** On one address, or on all of both families as far as the machine has them. */
async function listen(port: number, address: string | null, log: Log): Promise<ListeningSocket> {
  if (address === null) {
    try {
      return await listenOn("::", port);
    } catch (error) {
      log.event("LISTEN_IPV6_UNAVAILABLE", { port, error: String(error) });
    }
  }
  try {
    return await listenOn(address ?? "0.0.0.0", port);
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

function endWithTarget({ process }: Target, ended: AbortController, log: Log): void {
  log.event("TARGET_ENDED", { pid: process?.pid ?? 0 });
  ended.abort("the target's process has ended");
}

function watchStalls(
  { stallLimitMs }: Settings,
  metrics: Metrics,
  parts: Pick<EventLoopDelayOptions, "work" | "cpuLimit" | "log">,
): Disposable {
  return watchEventLoopDelay({
    ...parts,
    delaySeconds: metrics.eventLoopDelaySeconds,
    delays: metrics.eventLoopDelays,
    stalls: metrics.eventLoopStalls,
    stallMs: stallLimitMs,
  });
}

/** Whether another agent works on this target, or left its rules there. */
function findLeftoverRules({ containerId }: Target, options: AgentOptions, log: Log): Promise<boolean> {
  return hasLeftoverRules({
    containerId,
    cleans: options.cleanIptablesOnStart,
    log: log.child("agent::incoming::redirect"),
  });
}

/** In a mesh, if asked to: clients come to the agent's port directly. */
async function keepOutOfMesh(
  { mode, communicatePort }: AgentOptions,
  settings: Settings,
  launcher: Launcher | null,
  log: Log,
): Promise<AsyncDisposable> {
  if (mode.kind !== "ephemeral" || !settings.inServiceMesh || !settings.excludeFromMesh) return new AsyncDisposableStack();
  return excludeFromMesh({
    port: communicatePort,
    way: settings.redirect,
    nftables: settings.nftables,
    containerId: settings.ephemeralTargetContainerId,
    launcher,
    log: log.child("agent::incoming::redirect"),
  });
}

/** TLS of stolen ports, by certificates of the target. */
function stealTls({ stealTls: configs }: Settings, files: TargetFiles, log: Log): TlsPorts | null {
  if (configs.length === 0) return null;
  const unusable = (port: number, path: string, error: string): void => log.event("INCOMING_TLS_UNUSABLE", { port, path, error });
  return new TlsPorts({ configs, files, unusable });
}

interface IncomingParts {
  readonly target: Target;
  readonly settings: Settings;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly buffers: ReceiveBuffers;
  readonly budget: MemoryBudget;
  readonly filters: FilterServices;
  readonly launcher: Launcher | null;
  readonly tls: TlsPorts | null;
  readonly work: CurrentWork;
  /** Why no port is redirected; null where it may work. */
  readonly redirectRefusal: string | null;
}

function createIncoming(parts: IncomingParts): IncomingTraffic {
  const { target, settings, log, metrics, work, buffers, budget, filters, launcher, tls, redirectRefusal } = parts;
  const { containerId } = target;
  const redirectLog = log.child("agent::incoming::redirect");
  return new IncomingTraffic({
    openRedirector: async (onConnection, onLost): Promise<Redirector> => {
      if (redirectRefusal !== null) throw new RedirectError("forbidden", redirectRefusal);
      return createRedirector({
        onConnection,
        onLost,
        log: redirectLog,
        metrics,
        ownGroup: getgid?.() ?? 0,
        podIps: settings.podIps,
        way: settings.redirect,
        nftables: settings.nftables,
        istioCni: settings.istioCni,
        containerId,
        launcher,
        flushConnections: settings.flushConnections,
        flushConntrack: settings.flushConntrack,
      });
    },
    log: log.child("agent::incoming"),
    metrics,
    work,
    buffers,
    agentVersion: AGENT_VERSION,
    detectionTimeoutMs: settings.httpDetectionTimeoutMs,
    detectionMaxBytes: settings.detectionMaxBytes,
    detectsQuickly: settings.quickDetection,
    unusedPortLingerMs: settings.unusedPortLingerMs,
    keepsAddress: settings.externalIpFix,
    passMark: settings.podIps.length > 0 ? passMark : null,
    overridesCacheControl: settings.overrideCacheControl,
    injectsHeaders: settings.injectHeaders,
    tls,
    mirror: { samplePercent: settings.mirrorSamplePercent, patienceMs: settings.mirrorPatienceMs },
    maxPendingBytes: settings.sessionBufferBytes,
    budget,
    maxHeldBytes: settings.totalBufferBytes / 4,
    headerListMaxBytes: settings.http2HeaderListBytes,
    http: {
      head: { headMaxBytes: settings.httpHeadMaxBytes, maxFields: settings.httpMaxHeaders },
      bodyMaxBytes: settings.bodyBufferMaxBytes,
      bodyTimeoutMs: settings.bodyBufferTimeoutMs,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      stuckTimeoutMs: STUCK_PEER_TIMEOUT_MS,
    },
    filters,
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
