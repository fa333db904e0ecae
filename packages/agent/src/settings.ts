// Everything the environment can set, read once into one value. Names that start with `MIRRORD_` are the reference's and
// keep its meanings and its answers to a bad value; names that start with `UNDERSTUDY_` are limits of this agent.
// What is an option of the command line as well is read in `cli.ts`.

import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { errorsOnly, type LogFilter, parseLogFilter } from "./log/filter.ts";
import { parseStealTls, type StealTlsPort } from "./stealTlsSetting.ts";

/** The agent's settings. Times are in milliseconds and never above 2^31-1, the longest a timer takes. */
export interface Settings {
  /** `RUST_LOG`. Default: errors only. */
  readonly logFilter: LogFilter;
  /** `MIRRORD_AGENT_JSON_LOG`. Default false. */
  readonly jsonLog: boolean;
  /** `MIRRORD_AGENT_IDLE_TTL`, in seconds there: stay this long after the last client. Default 0. */
  readonly idleTtlMs: number;
  /** `UNDERSTUDY_LISTEN_ADDRESS`: the one address to listen on for clients, in canonical text. Null is every address, the default; a bad value is `127.0.0.1`. */
  readonly listenAddress: string | null;

  /** `UNDERSTUDY_REDIRECT`: how to redirect: by an nftables table with an owner, by iptables, or as is possible. Default auto. */
  readonly redirect: "auto" | "table" | "iptables";
  /** `UNDERSTUDY_GUARDED`, set by the launcher when it stays to remove iptables rules after the agent. */
  readonly isGuarded: boolean;
  /** `MIRRORD_AGENT_NFTABLES`: which backend of iptables; false also forbids an nftables table with an owner. Null finds out. */
  readonly nftables: boolean | null;
  /** `MIRRORD_AGENT_POD_IPS`: the target's addresses in canonical text. Default none. */
  readonly podIps: readonly string[];
  /** `MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS`: end existing connections when a port is redirected. Default false. */
  readonly flushConnections: boolean;
  /** `MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS_CONNTRACK`: flush conntrack entries, too. Default true. */
  readonly flushConntrack: boolean;
  /** `MIRRORD_AGENT_STEAL_TLS_CONFIG`. Default none. */
  readonly stealTls: readonly StealTlsPort[];
  /** `MIRRORD_AGENT_IN_SERVICE_MESH`. Default false. */
  readonly inServiceMesh: boolean;
  /** `MIRRORD_AGENT_ISTIO_CNI`. Default false. */
  readonly istioCni: boolean;
  /** `MIRRORD_AGENT_EXCLUDE_FROM_MESH`: keep the client port out of the sidecar. Default false. */
  readonly excludeFromMesh: boolean;
  /** `UNDERSTUDY_HOST_ROOT`: where the node's `/run` and `/var` are mounted, with the sockets of container runtimes. Default `/host`. */
  readonly hostRoot: string;
  /** `MIRRORD_AGENT_EPHEMERAL_TARGET_CONTAINER_ID`; empty when not known. */
  readonly ephemeralTargetContainerId: string;
  /** `MIRRORD_AGENT_EXTERNAL_IP_FIX`: pass traffic on to its original address. Default false. */
  readonly externalIpFix: boolean;
  /** `MIRRORD_AGENT_UNUSED_PORT_LINGER_SECS`: keep an unused redirect this long. Default 0. */
  readonly unusedPortLingerMs: number;

  /** `MIRRORD_AGENT_DNS_TIMEOUT`, in seconds there; undefined takes it from resolv.conf. */
  readonly dnsTimeoutMs: number | undefined;
  /** `MIRRORD_AGENT_DNS_ATTEMPTS`; undefined takes it from resolv.conf. */
  readonly dnsAttempts: number | undefined;

  /** `MIRRORD_AGENT_INJECT_HEADERS`. Default false. */
  readonly injectHeaders: boolean;
  /** `MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL`. Default true. */
  readonly overrideCacheControl: boolean;
  /** `MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT`, in seconds there. Default 2 s; 0 judges what is there already. */
  readonly httpDetectionTimeoutMs: number;
  /** `MIRRORD_MAX_BODY_BUFFER_SIZE`: most bytes of a body that a filter waits for. Default 65536. */
  readonly bodyBufferMaxBytes: number;
  /** `MIRRORD_MAX_BODY_BUFFER_TIMEOUT`: how long a filter waits for a body. Default 1000 ms. */
  readonly bodyBufferTimeoutMs: number;
  /**
   * `MIRRORD_JAQ_TIME_LIMIT`: time of a jq filter for one request. The reference reads seconds, although its documentation says
   * milliseconds; so do we, with 1 s at most. Default 500 ms.
   */
  readonly jqTimeLimitMs: number;

  /** `UNDERSTUDY_MAX_MESSAGE_BYTES`: largest message of a client. Default 32 MiB. */
  readonly maxMessageBytes: number;
  /** `UNDERSTUDY_SESSION_BUFFER_BYTES`: memory that one session may hold in buffers. Default 512 KiB. */
  readonly sessionBufferBytes: number;
  /** `UNDERSTUDY_TOTAL_BUFFER_BYTES`: memory that all sessions together may hold in buffers. Default 32 MiB. */
  readonly totalBufferBytes: number;
  /** `UNDERSTUDY_MAX_SESSIONS`: clients at once. Default 2000. */
  readonly maxSessions: number;
  /** `UNDERSTUDY_MAX_OPEN_FILES`: open files and directories of one session. Default 1024. */
  readonly maxOpenFiles: number;
  /** `UNDERSTUDY_MAX_CONNECTIONS`: outgoing connections of one session. Default 4096. */
  readonly maxConnections: number;
  /** `UNDERSTUDY_DEAF_CLIENT_TIMEOUT_MS`: a client that reads nothing for this long is closed. Default 60,000. */
  readonly deafClientTimeoutMs: number;
  /** `UNDERSTUDY_SILENT_CLIENT_TIMEOUT_MS`: a client that sends nothing for this long is closed; 0 never does. Clients of mirrord ping. Default an hour. */
  readonly silentClientTimeoutMs: number;
  /** `UNDERSTUDY_STALL_LIMIT_MS`: a pause of the event loop that is reported. Default 1000. */
  readonly stallLimitMs: number;
  /** `UNDERSTUDY_HTTP_HEAD_MAX_BYTES`: largest head of a request or response that is read. Default 1 MiB. */
  readonly httpHeadMaxBytes: number;
  /** `UNDERSTUDY_HTTP_MAX_HEADERS`: most header fields in such a head. Default 1000. */
  readonly httpMaxHeaders: number;
  /** `UNDERSTUDY_HTTP2_HEADER_LIST_BYTES`: largest head of an HTTP/2 request, by the measure of RFC 9113 §6.5.2. Default 64 KiB; the reference takes 16 KiB. */
  readonly http2HeaderListBytes: number;
  /** `UNDERSTUDY_DETECTION_MAX_BYTES`: bytes that are looked at to tell HTTP from TCP. Default 16 KiB. */
  readonly detectionMaxBytes: number;
  /** `UNDERSTUDY_QUICK_DETECTION`: ask the target of a silent connection, and learn from earlier ones. Default true; false waits for the time-out. */
  readonly quickDetection: boolean;
  /** `UNDERSTUDY_MIRROR_SAMPLE_PERCENT`: share of the connections and requests that are mirrored. Default 100. */
  readonly mirrorSamplePercent: number;
  /** `UNDERSTUDY_MIRROR_PATIENCE_MS`: how long peers of raw connections may wait at a time for a mirroring client that is behind. Default 50. */
  readonly mirrorPatienceMs: number;
  /** `UNDERSTUDY_FULL_FILE_TIMES`: answer file times with nanoseconds. Default false. */
  readonly fullFileTimes: boolean;
}

/** A variable that was ignored, and why. `text` holds no secret. */
export interface SettingProblem {
  readonly variable: string;
  readonly text: string;
}

/** Longest delay a timer of Node takes, about 24 days. */
const delayMaxMs = 2 ** 31 - 1;

const jqTimeLimitMaxMs = 1_000;

const KiB = 1024;
const MiB = 1024 * KiB;

/** Reads all settings; never throws. A value that cannot be read leaves the default, with or without a problem, as documented. */
export function parseSettings(env: NodeJS.ProcessEnv): { settings: Settings; problems: readonly SettingProblem[] } {
  const from = new Reader(env);
  const settings: Settings = {
    logFilter: from.value("RUST_LOG", errorsOnly, (text) => readFilter(text, from)),
    jsonLog: from.value("MIRRORD_AGENT_JSON_LOG", false, readBool),
    idleTtlMs: from.value("MIRRORD_AGENT_IDLE_TTL", 0, readSeconds),
    listenAddress: readListenAddress(env, from),

    redirect: from.value("UNDERSTUDY_REDIRECT", "auto", readRedirect),
    isGuarded: env["UNDERSTUDY_GUARDED"] === "true",
    nftables: from.quiet<boolean | null>("MIRRORD_AGENT_NFTABLES", null, readBool),
    podIps: from.value("MIRRORD_AGENT_POD_IPS", [], readAddresses),
    flushConnections: from.value("MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS", false, readBool),
    flushConntrack: from.quiet("MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS_CONNTRACK", true, readBool),
    stealTls: from.secret("MIRRORD_AGENT_STEAL_TLS_CONFIG", [], parseStealTls),
    inServiceMesh: from.value("MIRRORD_AGENT_IN_SERVICE_MESH", false, readBool),
    istioCni: from.value("MIRRORD_AGENT_ISTIO_CNI", false, readBool),
    excludeFromMesh: from.value("MIRRORD_AGENT_EXCLUDE_FROM_MESH", false, readBool),
    hostRoot: from.value("UNDERSTUDY_HOST_ROOT", "/host", readDirectory),
    ephemeralTargetContainerId: env["MIRRORD_AGENT_EPHEMERAL_TARGET_CONTAINER_ID"] ?? "",
    externalIpFix: from.value("MIRRORD_AGENT_EXTERNAL_IP_FIX", false, readBool),
    unusedPortLingerMs: from.quiet("MIRRORD_AGENT_UNUSED_PORT_LINGER_SECS", 0, readSeconds),

    dnsTimeoutMs: from.quiet<number | undefined>("MIRRORD_AGENT_DNS_TIMEOUT", undefined, (text) => toDelay(readU32(text), 1000)),
    dnsAttempts: from.quiet<number | undefined>("MIRRORD_AGENT_DNS_ATTEMPTS", undefined, readU32),

    injectHeaders: from.value("MIRRORD_AGENT_INJECT_HEADERS", false, readBool),
    overrideCacheControl: from.value("MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL", true, readBool),
    httpDetectionTimeoutMs: from.quiet("MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT", 2000, readSeconds),
    bodyBufferMaxBytes: from.value("MIRRORD_MAX_BODY_BUFFER_SIZE", 64 * KiB, readU32),
    bodyBufferTimeoutMs: from.value("MIRRORD_MAX_BODY_BUFFER_TIMEOUT", 1000, (text) => toDelay(readU32(text), 1)),
    jqTimeLimitMs: from.value("MIRRORD_JAQ_TIME_LIMIT", 500, (text) => Math.min(readSeconds(text), jqTimeLimitMaxMs)),

    maxMessageBytes: from.value("UNDERSTUDY_MAX_MESSAGE_BYTES", 32 * MiB, within(64 * KiB, 1024 * MiB)),
    sessionBufferBytes: from.value("UNDERSTUDY_SESSION_BUFFER_BYTES", 512 * KiB, within(64 * KiB, 1024 * MiB)),
    totalBufferBytes: from.value("UNDERSTUDY_TOTAL_BUFFER_BYTES", 32 * MiB, within(MiB, 64 * 1024 * MiB)),
    maxSessions: from.value("UNDERSTUDY_MAX_SESSIONS", 2000, within(1, 1_000_000)),
    maxOpenFiles: from.value("UNDERSTUDY_MAX_OPEN_FILES", 1024, within(1, 1_000_000)),
    maxConnections: from.value("UNDERSTUDY_MAX_CONNECTIONS", 4096, within(1, 1_000_000)),
    deafClientTimeoutMs: from.value("UNDERSTUDY_DEAF_CLIENT_TIMEOUT_MS", 60_000, within(1000, delayMaxMs)),
    silentClientTimeoutMs: from.value("UNDERSTUDY_SILENT_CLIENT_TIMEOUT_MS", 3_600_000, zeroOrWithin(1000, delayMaxMs)),
    stallLimitMs: from.value("UNDERSTUDY_STALL_LIMIT_MS", 1000, within(100, 60_000)),
    httpHeadMaxBytes: from.value("UNDERSTUDY_HTTP_HEAD_MAX_BYTES", MiB, within(4 * KiB, 16 * MiB)),
    httpMaxHeaders: from.value("UNDERSTUDY_HTTP_MAX_HEADERS", 1000, within(16, 100_000)),
    http2HeaderListBytes: from.value("UNDERSTUDY_HTTP2_HEADER_LIST_BYTES", 64 * KiB, within(16 * KiB, MiB)),
    detectionMaxBytes: from.value("UNDERSTUDY_DETECTION_MAX_BYTES", 16 * KiB, within(64, MiB)),
    quickDetection: from.value("UNDERSTUDY_QUICK_DETECTION", true, readBool),
    mirrorSamplePercent: from.value("UNDERSTUDY_MIRROR_SAMPLE_PERCENT", 100, within(1, 100)),
    mirrorPatienceMs: from.value("UNDERSTUDY_MIRROR_PATIENCE_MS", 50, within(0, 10_000)),
    fullFileTimes: from.value("UNDERSTUDY_FULL_FILE_TIMES", false, readBool),
  };
  return { settings: Object.freeze(settings), problems: from.problems };
}

/** Takes values by name and collects what is wrong with them. A `read` function throws an Error that says what it expects. */
class Reader {
  readonly problems: SettingProblem[] = [];
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** A bad value is a problem that quotes it. */
  value<T>(variable: string, byDefault: T, read: (text: string) => T): T {
    return this.#take(variable, byDefault, read, (text, reason) => this.problem(variable, `${excerpt(text)}: ${reason}`));
  }

  /** A bad value is a problem that does not quote it. */
  secret<T>(variable: string, byDefault: T, read: (text: string) => T): T {
    return this.#take(variable, byDefault, read, (_text, reason) => this.problem(variable, reason));
  }

  /** A bad value is the default, as in the reference. */
  quiet<T>(variable: string, byDefault: T, read: (text: string) => T): T {
    return this.#take(variable, byDefault, read, () => undefined);
  }

  problem(variable: string, text: string): void {
    this.problems.push({ variable, text });
  }

  #take<T>(variable: string, byDefault: T, read: (text: string) => T, onBad: (text: string, reason: string) => void): T {
    const text = this.#env[variable];
    if (text === undefined) return byDefault;
    try {
      return read(text);
    } catch (error) {
      onBad(text, error instanceof Error ? error.message : String(error));
      return byDefault;
    }
  }
}

function readFilter(text: string, from: Reader): LogFilter {
  const { filter, invalid } = parseLogFilter(text);
  const [first] = invalid;
  if (first !== undefined) {
    const others = invalid.length > 1 ? ` and ${invalid.length - 1} more` : "";
    from.problem("RUST_LOG", `${excerpt(first)}${others}: expected a level or module=level`);
  }
  return filter;
}

function readBool(text: string): boolean {
  if (text !== "true" && text !== "false") throw new Error("expected true or false");
  return text === "true";
}

function readRedirect(text: string): Settings["redirect"] {
  if (text !== "auto" && text !== "table" && text !== "iptables") throw new Error("expected auto, table or iptables");
  return text;
}

function readDirectory(text: string): string {
  if (!text.startsWith("/")) throw new Error("expected an absolute path");
  return text.replace(/\/+$/, "");
}

function readUnsigned(text: string, max: bigint): bigint {
  if (!/^\+?\d{1,40}$/.test(text)) throw new Error("expected a whole number");
  const value = BigInt(text.replace("+", ""));
  if (value > max) throw new Error(`expected at most ${max}`);
  return value;
}

function readU32(text: string): number {
  return Number(readUnsigned(text, 2n ** 32n - 1n));
}

/** A u64 of seconds as milliseconds. */
function readSeconds(text: string): number {
  return toDelay(Number(readUnsigned(text, 2n ** 64n - 1n)), 1000);
}

function toDelay(value: number, unitMs: number): number {
  return Math.min(value * unitMs, delayMaxMs);
}

function within(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(readUnsigned(text, 2n ** 64n - 1n));
    if (value < min || value > max) throw new Error(`expected ${min} to ${max}`);
    return value;
  };
}

function zeroOrWithin(min: number, max: number): (text: string) => number {
  const read = within(min, max);
  return (text) => {
    try {
      return text === "0" ? 0 : read(text);
    } catch {
      throw new Error(`expected 0, or ${min} to ${max}`);
    }
  };
}

/** Whoever sets it wants to be reached by fewer: a value that cannot be read does not open the port to everybody. */
function readListenAddress(env: NodeJS.ProcessEnv, from: Reader): string | null {
  const variable = "UNDERSTUDY_LISTEN_ADDRESS";
  if (env[variable] === undefined) return null;
  return from.value(variable, "127.0.0.1", (text) => {
    const address = canonicalAddress(text);
    if (address === null) throw new Error("expected an IP address; it is 127.0.0.1 instead");
    return address;
  });
}

function readAddresses(text: string): readonly string[] {
  return text.split(",").map((part) => {
    const address = canonicalAddress(part);
    if (address === null) throw new Error("expected IP addresses separated by commas, without blanks");
    return address;
  });
}

/** Null for what is no address, or one of a certain interface. */
function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  if (isIPv6(text) && !text.includes("%")) return new SocketAddress({ address: text, family: "ipv6" }).address;
  return null;
}

/** A short piece of a value, quoted. */
function excerpt(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
