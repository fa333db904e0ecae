// The texts that the command line prints: help, also for each mode, and the version.

import { AGENT_VERSION } from "./version.ts";

/** What `--version` prints. */
export const versionText = `mirrord-agent ${AGENT_VERSION}\n`;

/** Help of the program. */
export const mainHelp = `Serves mirrord clients beside a target container.

Usage: mirrord-agent [OPTIONS] <MODE> [MODE OPTIONS]

Modes:
  targeted     Serve the target that a container runtime knows by its id
  ephemeral    Serve the target whose pod this ephemeral container was added to
  targetless   Serve without a target
  process      Serve a process of this machine as the target
  help [MODE]  Print this text, or the options of a mode

Options (before the mode):
  -l, --communicate-port <PORT>        Port for clients [default: 61337]
  -t, --communication-timeout <SECONDS>
                                       End when no client has come after this time [default: 30]
      --metrics <IP:PORT>              Serve /metrics and /healthz there [env: MIRRORD_AGENT_METRICS]
      --operator-tls-cert-pem <PEM>    Talk TLS to the operator that has this certificate
                                       [env: AGENT_OPERATOR_CERT_ENV]
      --clean-iptables-on-start        Remove redirect rules that an earlier agent left, instead of refusing to start
                                       [env: MIRRORD_AGENT_CLEAN_IPTABLES_ON_START]
      --ipv6                           Accepted and ignored: IPv6 is used where there is any
  -h, --help                           Print this text
  -V, --version                        Print the version

Environment (true or false where no unit is given):
  RUST_LOG                                      Log levels, such as info or error,agent::dns=debug [default: error]
  MIRRORD_AGENT_JSON_LOG                        Log in JSON lines [default: false]
  MIRRORD_AGENT_IDLE_TTL                        Seconds to stay after the last client [default: 0]
  MIRRORD_AGENT_NFTABLES                        Use iptables-nft (true) or iptables-legacy (false) [default: find out]
  MIRRORD_AGENT_POD_IPS                         The target's addresses, separated by commas
  MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS       End existing connections of a port that is redirected [default: false]
  MIRRORD_AGENT_STEAL_TLS_CONFIG                TLS of stolen ports, base64 without padding of a JSON list
  MIRRORD_AGENT_IN_SERVICE_MESH                 The target is in a service mesh [default: false]
  MIRRORD_AGENT_ISTIO_CNI                       The mesh is Istio with its CNI plugin [default: false]
  MIRRORD_AGENT_EXTERNAL_IP_FIX                 Pass traffic on to its original address [default: false]
  MIRRORD_AGENT_DNS_TIMEOUT                     Seconds for one try of a name lookup [default: resolv.conf]
  MIRRORD_AGENT_DNS_ATTEMPTS                    Tries of a name lookup [default: resolv.conf]
  MIRRORD_AGENT_INJECT_HEADERS                  Mark HTTP responses with the header Mirrord-Agent [default: false]
  MIRRORD_AGENT_OVERRIDE_CACHE_CONTROL          Forbid caching of HTTP responses [default: true]
  MIRRORD_AGENT_HTTP_DETECTION_TIMEOUT          Seconds to wait for bytes that tell HTTP from TCP [default: 2]
  MIRRORD_MAX_BODY_BUFFER_SIZE                  Bytes of a body that a filter waits for [default: 65536]
  MIRRORD_MAX_BODY_BUFFER_TIMEOUT               Milliseconds that a filter waits for a body [default: 1000]
  UNDERSTUDY_LISTEN_ADDRESS                     The one IP address to listen on for clients [default: every address]
  UNDERSTUDY_HOST_ROOT                          Where the node's /run and /var are mounted [default: /host]
  UNDERSTUDY_MAX_MESSAGE_BYTES                  Largest message of a client [default: 33554432]
  UNDERSTUDY_SESSION_BUFFER_BYTES               Memory for buffers of one client [default: 524288]
  UNDERSTUDY_TOTAL_BUFFER_BYTES                 Memory for buffers of all clients [default: 33554432]
  UNDERSTUDY_MAX_SESSIONS                       Clients at once [default: 2000]
  UNDERSTUDY_MAX_OPEN_FILES                     Open files of one client [default: 1024]
  UNDERSTUDY_MAX_CONNECTIONS                    Outgoing connections of one client [default: 4096]
  UNDERSTUDY_DEAF_CLIENT_TIMEOUT_MS             Milliseconds until a client that does not read is closed [default: 60000]
  UNDERSTUDY_SILENT_CLIENT_TIMEOUT_MS           Milliseconds until a client that sends nothing is closed, 0 for never [default: 3600000]
  UNDERSTUDY_HTTP_HEAD_MAX_BYTES                Largest head of an HTTP message that is read, in bytes [default: 1048576]
  UNDERSTUDY_HTTP_MAX_HEADERS                   Most header fields in such a head [default: 1000]
  UNDERSTUDY_HTTP2_HEADER_LIST_BYTES            Largest head of an HTTP/2 request, as HTTP/2 reckons it [default: 65536]
  UNDERSTUDY_DETECTION_MAX_BYTES                Bytes that are looked at to tell HTTP from TCP [default: 16384]
  UNDERSTUDY_QUICK_DETECTION                    Ask the target of a silent connection whether it speaks first [default: true]
  UNDERSTUDY_MIRROR_SAMPLE_PERCENT              Share of connections and requests that are mirrored [default: 100]
  UNDERSTUDY_MIRROR_PATIENCE_MS                 How long a raw connection's peer may wait for a mirroring client that is behind [default: 50]
  UNDERSTUDY_FULL_FILE_TIMES                    Answer file times with nanoseconds [default: false]
`;

/** Help of each mode. */
export const modeHelp = {
  targeted: `Serves the target that a container runtime knows by its id.

Usage: mirrord-agent [OPTIONS] targeted [MODE OPTIONS] --container-id <ID>

Options:
  -c, --container-id <ID>         The target's container id
  -r, --container-runtime <NAME>  docker, containerd or cri-o [default: containerd]
      --mesh <NAME>               Accepted and ignored
  -h, --help                      Print this text
`,
  ephemeral: `Serves the target whose pod this ephemeral container was added to.

Usage: mirrord-agent [OPTIONS] ephemeral [MODE OPTIONS]

Options:
      --mesh <NAME>  Accepted and ignored
  -h, --help         Print this text
`,
  targetless: `Serves without a target: files, names and connections are those of the agent's own pod.

Usage: mirrord-agent [OPTIONS] targetless

Options:
  -h, --help  Print this text
`,
  process: `Serves a process of this machine as the target: its network, files and environment. The agent listens in the network where it was started.

Usage: mirrord-agent [OPTIONS] process --pid <PID>

Options:
  -p, --pid <PID>  The process's id, as the agent sees it
  -h, --help       Print this text
`,
} as const;

/** What follows a usage error. */
export const usageHint = "\nUsage: mirrord-agent [OPTIONS] <MODE> [MODE OPTIONS]\n\nFor more information, try '--help'.\n";
