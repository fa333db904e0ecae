// Everything the agent counts, one member each. Created once and passed to whoever counts; shared by all sessions.
// The names that start with `mirrord_agent_` are the reference's, help texts included: dashboards and the operator
// read them. Our own start with `understudy_`.

import type { MetricFamily, Sample } from "./exposition.ts";
import { formatExposition } from "./exposition.ts";
import { Counter, CounterFamily, Gauge, Histogram, HistogramFamily, PortGauges } from "./instruments.ts";
import { readProcessMetrics } from "./processMetrics.ts";

/** What bytes to and from clients belong to. */
export const trafficKinds = [
  "control",
  "dns",
  "env",
  "files",
  "mirror",
  "seqpacket_outgoing",
  "steal",
  "tcp_outgoing",
  "udp_outgoing",
] as const;
export type TrafficKind = (typeof trafficKinds)[number];

/** Why a message of a client was not carried out although it could be read. */
export const refusalReasons = ["too_large", "unsupported"] as const;
export type RefusalReason = (typeof refusalReasons)[number];

/** What became of an HTTP request that arrived at a redirected port. */
export const httpOutcomes = ["passed", "stolen"] as const;
export type HttpOutcome = (typeof httpOutcomes)[number];

/** Why the agent answered a request itself, with 502: the client left or gave the request up, its answer was no HTTP, or the target could not be asked. */
export const badGatewayCauses = ["client_gone", "client_gave_up", "answer_invalid", "target_failed"] as const;
export type BadGatewayCause = (typeof badGatewayCauses)[number];

/**
 * What is timed of filters. "plain" is what all filters of a port together took at once with one request; the others are one filter each, from the question until the
 * answer, which may come later: a query of the body, a program of jq, a pattern that does not run in linear time.
 */
export const filterKinds = ["plain", "body", "jq", "backtracking"] as const;
export type FilterKind = (typeof filterKinds)[number];

/** What was found to be spoken on a redirected connection. */
export const spokenProtocols = ["http1", "http2", "other"] as const;
export type SpokenProtocol = (typeof spokenProtocols)[number];

/** Why a datagram of an outgoing connection was dropped: the wire cannot express it, the client or the peer's socket has no room. */
export const datagramDrops = ["empty", "client_full", "socket_full"] as const;
export type DatagramDrop = (typeof datagramDrops)[number];

/** Why the event loop stood still: the agent's thread was at work, or it was not running. */
export const stallCauses = ["own_work", "not_running"] as const;
export type StallCause = (typeof stallCauses)[number];

/** Bounds of everything that takes time, in seconds. */
const latencyBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Most filters answer in microseconds. In seconds. */
const filterBounds = [0.00001, 0.00005, 0.0001, ...latencyBounds.filter((bound) => bound <= 1)];

/** The agent's metrics. */
export class Metrics {
  /** Connected clients. */
  readonly clientCount = new Gauge();
  /** DNS requests under way. */
  readonly dnsRequestCount = new Gauge();
  /** Open files, directory streams and getdents streams of all clients. */
  readonly openFdCount = new Gauge();
  readonly mirrorPortSubscriptionCount = new Gauge();
  readonly mirrorConnectionSubscriptionCount = new Gauge();
  /** Pairs of client and port with a filter. */
  readonly stealFilteredPortSubscriptionCount = new Gauge();
  readonly stealUnfilteredPortSubscriptionCount = new Gauge();
  /** From acceptance until the socket is gone. */
  readonly redirectedConnectionsCount = new Gauge();
  /** From the head of a request until its response body has ended. */
  readonly redirectedRequestsCount = new Gauge();
  /** TCP and stream unix connections. */
  readonly tcpOutgoingConnectionCount = new Gauge();
  readonly udpOutgoingConnectionCount = new Gauge();
  /** HTTP requests that are being passed on to the target, by original port. */
  readonly bypassedRequests = new PortGauges();

  /** Bytes of messages that clients sent. */
  readonly receivedBytes = new CounterFamily<TrafficKind>(trafficKinds);
  /** Bytes of messages sent to clients. */
  readonly sentBytes = new CounterFamily<TrafficKind>(trafficKinds);
  readonly sessions = new Counter();
  /** Clients turned away because too many were connected. */
  readonly refusedSessions = new Counter();
  /** Clients closed because they did not read for too long. */
  readonly deafSessions = new Counter();
  readonly silentSessions = new Counter();
  /** Messages that could not be decoded; each ended its session. */
  readonly decodeErrors = new Counter();
  readonly refusedMessages = new CounterFamily<RefusalReason>(refusalReasons);
  readonly mirrorDroppedBytes = new Counter();
  readonly mirrorDroppedConnections = new Counter();
  readonly httpRequests = new CounterFamily<HttpOutcome>(httpOutcomes);
  /** From the head of a request until its response has ended, in seconds. */
  readonly httpRequestSeconds = new HistogramFamily<HttpOutcome>(httpOutcomes, latencyBounds);
  readonly badGatewayAnswers = new CounterFamily<BadGatewayCause>(badGatewayCauses);
  readonly filterSeconds = new HistogramFamily<FilterKind>(filterKinds, filterBounds);
  /** From the turn of a file request until its answer, in seconds. */
  readonly fileRequestSeconds = new Histogram(latencyBounds);
  readonly detectedConnections = new CounterFamily<SpokenProtocol>(spokenProtocols);
  readonly seqpacketConnections = new Gauge();
  /** Datagrams and packets of outgoing connections that were dropped. */
  readonly droppedDatagrams = new CounterFamily<DatagramDrop>(datagramDrops);
  /** Bytes of the memory budget that sessions hold. */
  readonly bufferedBytes = new Gauge();
  readonly bufferedBytesLimit = new Gauge();
  /** What the session with the most has to send, and how much each may have now. */
  readonly sessionBufferedBytes = new Gauge();
  readonly sessionBufferedBytesLimit = new Gauge();
  /** Ports that are redirected. */
  readonly redirectedPorts = new Gauge();
  /** Longest the event loop stood still in the last interval. */
  readonly eventLoopDelaySeconds = new Gauge();
  readonly eventLoopDelays = new Histogram(latencyBounds);
  readonly eventLoopStalls = new CounterFamily<StallCause>(stallCauses);
  readonly logLinesDropped = new Counter();
  /** Calls in the thread pool that have not come back for long. */
  readonly stuckPoolCalls = new Gauge();
  /** Calls in the thread pool, and its threads. */
  readonly poolCalls = new Gauge();
  readonly poolThreads = new Gauge();
  readonly nftReloads = new Counter();
  /** Child processes that run clients' jq filters. */
  readonly jqProcesses = new Gauge();
  /** Times a client's jq filter broke its limits on time or memory. */
  readonly jqOverruns = new Counter();
  /** Requests that counted as not matching since a jq filter could not judge them in time. */
  readonly jqUnjudged = new Counter();
  /** Times a pattern of a client's filter used up its steps or was left out, and a request did not match for that. */
  readonly patternOverruns = new Counter();

  /**
   * All families in the text format. `isPoolUsable` false leaves out what has to be read from files: the first user of
   * the thread pool decides in which network namespace its threads live.
   */
  async exposition(options: { readonly isPoolUsable: boolean } = { isPoolUsable: true }): Promise<string> {
    const processFamilies = options.isPoolUsable ? await readProcessMetrics() : [];
    return formatExposition([...this.#referenceFamilies(), ...this.#ownFamilies(), ...processFamilies]);
  }

  #referenceFamilies(): MetricFamily[] {
    return [
      one("mirrord_agent_client_count", "amount of connected clients to this mirrord-agent", this.clientCount),
      one("mirrord_agent_dns_request_count", "amount of in-progress dns requests in the mirrord-agent", this.dnsRequestCount),
      one("mirrord_agent_open_fd_count", "amount of open file descriptors in mirrord-agent file manager", this.openFdCount),
      one(
        "mirrord_agent_mirror_port_subscription_count",
        "amount of mirror port subscriptions in mirror-agent",
        this.mirrorPortSubscriptionCount,
      ),
      one(
        "mirrord_agent_mirror_connection_subscription_count",
        "amount of connections in mirror mode in mirrord-agent",
        this.mirrorConnectionSubscriptionCount,
      ),
      one(
        "mirrord_agent_steal_filtered_port_subscription_count",
        "amount of filtered steal port subscriptions in mirrord-agent",
        this.stealFilteredPortSubscriptionCount,
      ),
      one(
        "mirrord_agent_steal_unfiltered_port_subscription_count",
        "amount of unfiltered steal port subscriptions in mirrord-agent",
        this.stealUnfilteredPortSubscriptionCount,
      ),
      one(
        "mirrord_agent_redirected_connections_count",
        "amount of incoming TCP connections currently redirected by mirrord-agent",
        this.redirectedConnectionsCount,
      ),
      one(
        "mirrord_agent_redirected_requests_count",
        "amount of incoming HTTP requests currently redirected by mirrord-agent",
        this.redirectedRequestsCount,
      ),
      one(
        "mirrord_agent_tcp_outgoing_connection_count",
        "amount of tcp outgoing connections in mirrord-agent",
        this.tcpOutgoingConnectionCount,
      ),
      one(
        "mirrord_agent_udp_outgoing_connection_count",
        "amount of udp outgoing connections in mirrord-agent",
        this.udpOutgoingConnectionCount,
      ),
      many(
        "mirrord_agent_bypassed_requests",
        "amount of incoming requests currently bypassed by mirrord-agent",
        "port",
        this.bypassedRequests,
      ),
    ];
  }

  #ownFamilies(): MetricFamily[] {
    return [
      many("understudy_received_bytes_total", "Bytes of messages received from clients.", "kind", this.receivedBytes),
      many("understudy_sent_bytes_total", "Bytes of messages sent to clients.", "kind", this.sentBytes),
      one("understudy_sessions_total", "Clients that connected since the start.", this.sessions),
      one("understudy_refused_sessions_total", "Clients turned away for want of room.", this.refusedSessions),
      one("understudy_deaf_sessions_total", "Clients closed because they did not read.", this.deafSessions),
      one("understudy_silent_sessions_total", "Clients closed because they said nothing.", this.silentSessions),
      one("understudy_decode_errors_total", "Messages that could not be decoded.", this.decodeErrors),
      many("understudy_refused_messages_total", "Messages that were not carried out.", "reason", this.refusedMessages),
      one("understudy_mirror_dropped_bytes_total", "Mirrored bytes that were dropped.", this.mirrorDroppedBytes),
      one("understudy_mirror_dropped_connections_total", "Mirrored connections that were given up.", this.mirrorDroppedConnections),
      many(
        "understudy_detected_connections_total",
        "Redirected connections by what is spoken on them.",
        "spoken",
        this.detectedConnections,
      ),
      many("understudy_http_requests_total", "HTTP requests at redirected ports.", "outcome", this.httpRequests),
      spread(
        "understudy_http_request_seconds",
        "Time from the head of an HTTP request until its response has ended.",
        Array.from(this.httpRequestSeconds.entries(), ([outcome, histogram]) => [{ outcome }, histogram]),
      ),
      many("understudy_bad_gateway_answers_total", "HTTP requests that the agent answered with 502.", "cause", this.badGatewayAnswers),
      spread(
        "understudy_filter_seconds",
        "Time that filters took; plain is what all of a port took at once, the others are one filter until its answer.",
        Array.from(this.filterSeconds.entries(), ([kind, histogram]) => [{ kind }, histogram]),
      ),
      spread("understudy_file_request_seconds", "Time that file requests took once it was their turn.", [[{}, this.fileRequestSeconds]]),
      one("understudy_seqpacket_connections", "Open seqpacket unix connections.", this.seqpacketConnections),
      many("understudy_dropped_datagrams_total", "Datagrams of outgoing connections that were dropped.", "reason", this.droppedDatagrams),
      one("understudy_buffered_bytes", "Bytes of the shared memory budget in use.", this.bufferedBytes),
      one("understudy_buffered_bytes_limit", "Size of the shared memory budget in bytes.", this.bufferedBytesLimit),
      one("understudy_session_buffered_bytes", "Bytes in use by the session that uses most.", this.sessionBufferedBytes),
      one("understudy_session_buffered_bytes_limit", "Bytes that each session may use now.", this.sessionBufferedBytesLimit),
      one("understudy_redirected_ports", "Ports whose traffic is redirected.", this.redirectedPorts),
      one("understudy_event_loop_delay_seconds", "Longest the event loop stood still in the last interval.", this.eventLoopDelaySeconds),
      spread("understudy_event_loop_lag_seconds", "How late the event loop was, looked at several times a second.", [
        [{}, this.eventLoopDelays],
      ]),
      many(
        "understudy_event_loop_stalls_total",
        "Times the event loop stood still for long, by whether it was at work or not running.",
        "cause",
        this.eventLoopStalls,
      ),
      one("understudy_log_lines_dropped_total", "Log lines dropped for want of a reader.", this.logLinesDropped),
      one("understudy_pool_calls", "File calls in the thread pool.", this.poolCalls),
      one("understudy_pool_threads", "Threads of the pool.", this.poolThreads),
      one("understudy_stuck_pool_calls", "File calls that have been in the thread pool for over a second.", this.stuckPoolCalls),
      one("understudy_nft_reloads_total", "Times the redirect rules were loaded again.", this.nftReloads),
      one("understudy_jq_processes", "Child processes that run jq filters.", this.jqProcesses),
      one("understudy_jq_overruns_total", "Times a jq filter broke its limits on time or memory.", this.jqOverruns),
      one("understudy_jq_unjudged_requests_total", "Requests that a jq filter could not judge in time.", this.jqUnjudged),
      one("understudy_pattern_overruns_total", "Times a filter's pattern took too much time to match.", this.patternOverruns),
    ];
  }
}

function one(name: string, help: string, instrument: Gauge | Counter): MetricFamily {
  return { name, help, type: typeOf(instrument), samples: [{ labels: {}, value: instrument.value }] };
}

function many(name: string, help: string, label: string, family: { entries(): Iterable<[string, Gauge | Counter]> }): MetricFamily {
  const entries = [...family.entries()];
  const samples = entries.map(([value, instrument]) => ({ labels: { [label]: value }, value: instrument.value }));
  return { name, help, type: typeOf(entries[0]?.[1]), samples };
}

function spread(name: string, help: string, histograms: readonly (readonly [Sample["labels"], Histogram])[]): MetricFamily {
  return { name, help, type: "histogram", samples: histograms.flatMap(([labels, histogram]) => samplesOf(labels, histogram)) };
}

/** Each bucket holds those below it as well. */
function samplesOf(labels: Sample["labels"], { bounds, counts, sum }: Histogram): Sample[] {
  let below = 0;
  const buckets = counts.map((count, i): Sample => {
    below += count;
    return { suffix: "_bucket", labels: { ...labels, le: i < bounds.length ? String(bounds[i]) : "+Inf" }, value: below };
  });
  return [...buckets, { suffix: "_sum", labels, value: sum }, { suffix: "_count", labels, value: below }];
}

function typeOf(instrument: Gauge | Counter | undefined): "counter" | "gauge" {
  return instrument instanceof Counter ? "counter" : "gauge";
}
