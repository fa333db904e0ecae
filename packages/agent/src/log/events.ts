// The closed set of things the cluster's admin can read in the agent's log at info or above. Each entry is a
// fixed sentence (so that it can be counted), a level, and one sentence that says what to do about it.
// What a session did never becomes an entry here: it goes to that session, and to debug.

/** How much an admin should care. `warn`: something works less well. `error`: something does not work. */
export type AdminEventLevel = "info" | "warn" | "error";

/** One entry of the table. */
export interface AdminEvent {
  readonly level: AdminEventLevel;
  /** Fixed text; whatever varies goes into the record's fields. */
  readonly message: string;
  /** What the admin can do. Written with warnings and errors only. */
  readonly remedy: string;
  /**
   * True where peers can cause the event again and again. The log then writes the first at once, and after it at
   * most one a minute, with the number of the others in the field `count`.
   */
  readonly isLimited?: true;
}

/** Every event the log can write at info or above, by code. Codes are stable: alerts are built on them. */
export const adminEvents = {
  // The agent's own life.
  TARGET_FOUND: {
    level: "info",
    message: "target container found",
    remedy: "Nothing needs to be done.",
  },
  SERVING: {
    level: "info",
    message: "agent accepts clients",
    remedy: "Nothing needs to be done.",
  },
  STOPPING: {
    level: "info",
    message: "agent is stopping",
    remedy: "Nothing needs to be done.",
  },
  NO_CLIENT_CAME: {
    level: "error",
    message: "no client connected in the time given by --communication-timeout",
    remedy: "Check that the client can reach the agent's port, or raise the client's agent start-up timeout.",
  },
  AGENT_BUG: {
    level: "error",
    message: "unexpected exception in the agent",
    remedy: "Report this record to the maintainers of the agent; it is a fault of the agent itself.",
    isLimited: true,
  },
  EVENT_LOOP_STALLED: {
    level: "warn",
    message: "the agent's event loop stood still at work of its own",
    remedy: "Report this record to the maintainers of the agent; its field work names what ran.",
    isLimited: true,
  },
  CPU_LIMIT_REACHED: {
    level: "warn",
    message: "the agent's CPU limit kept it from running",
    remedy: "Raise the CPU limit of the agent's pod; in ephemeral mode that of the target's pod.",
    isLimited: true,
  },
  LOG_LINES_DROPPED: {
    level: "warn",
    message: "log lines were dropped because standard output was not read fast enough",
    remedy: "Lower the level in RUST_LOG or check the node's log collection.",
    isLimited: true,
  },
  ACCEPT_PAUSED: {
    level: "warn",
    message: "accepting connections paused because no descriptor was free",
    remedy: "Raise the limit of open files of the agent's container, or spread the clients over more agents.",
    isLimited: true,
  },

  // Settings.
  OPERATOR_CERTIFICATE_UNUSABLE: {
    level: "error",
    message: "the operator's certificate cannot be used",
    remedy:
      "Give --operator-tls-cert-pem or AGENT_OPERATOR_CERT_ENV one certificate in PEM whose alternative names begin with the operator's host name or address.",
  },
  SETTING_INVALID: {
    level: "error",
    message: "a setting has an invalid value and is ignored",
    remedy: "Correct the variable named in the record in the agent's pod.",
  },

  // Sockets of the agent.
  LISTEN_FAILED: {
    level: "error",
    message: "the client port cannot be opened",
    remedy: "Choose a free port that the agent's user may open, and for UNDERSTUDY_LISTEN_ADDRESS an address of the agent's pod.",
  },
  LISTEN_IPV6_UNAVAILABLE: {
    level: "warn",
    message: "IPv6 is not available for clients, IPv4 alone is used",
    remedy: "Enable IPv6 in the agent's pod if clients should connect over it.",
  },
  METRICS_LISTEN_FAILED: {
    level: "error",
    message: "the metrics address cannot be opened",
    remedy: "Choose a free address for --metrics that belongs to the agent's pod.",
  },

  // The target.
  TARGET_NOT_FOUND: {
    level: "error",
    message: "the target container was not found",
    remedy: "Check the container id, the container runtime and the host paths mounted into the agent's pod.",
  },
  TARGET_ENDED: {
    level: "warn",
    message: "the target's process has ended, and the agent with it",
    remedy: "Nothing, where the pod was restarted or removed; otherwise check why the target's container ended.",
  },
  RIGHT_MISSING: {
    level: "error",
    message: "the agent may not do all that it is for, and refuses what it may not",
    remedy:
      "Give the agent's container the capabilities named in the field missing; where it names none, see what on the node refuses what the field reasons says.",
  },
  TARGET_GUESSED: {
    level: "warn",
    message: "no process belongs to the target container, process 1 is taken as the target",
    remedy: "Check that the pod shares its process namespace and that the target container runs.",
  },
  RESOLVER_FILE_UNREADABLE: {
    level: "error",
    message: "the target's resolver configuration cannot be read",
    remedy: "Check /etc/resolv.conf and /etc/hosts of the target; until then, names may not resolve for clients.",
    isLimited: true,
  },

  // Traffic of the target.
  MALFORMED_MESSAGE: {
    level: "error",
    message: "a client sent a malformed message and was disconnected",
    remedy: "Check that clients use a supported version and that nothing but clients connects to the agent's port.",
    isLimited: true,
  },
  OPERATOR_TLS_FAILED: {
    level: "error",
    message: "a client was turned away because it did not prove to be the operator",
    remedy:
      "Check that the operator has the certificate that the agent was given, and that nothing but the operator connects to the agent's port.",
    isLimited: true,
  },
  PASSTHROUGH_FAILED: {
    level: "warn",
    message: "traffic for the target could not be passed on to it",
    remedy: "Check that the target listens on the port named in the record.",
    isLimited: true,
  },
  INCOMING_HTTP_BROKEN: {
    level: "warn",
    message: "an incoming HTTP connection of the target failed",
    remedy: "Check the peer named in the record; it may speak HTTP that the agent refuses.",
    isLimited: true,
  },

  INCOMING_TLS_UNUSABLE: {
    level: "error",
    message: "part of the TLS configuration of a stolen port cannot be used",
    remedy:
      "Correct the path named in the record, in MIRRORD_AGENT_STEAL_TLS_CONFIG or in the target; files are read again with the next connection.",
    isLimited: true,
  },
  INCOMING_TLS_FAILED: {
    level: "warn",
    message: "a TLS connection of the target could not be accepted",
    remedy: "Check the peer named in the record, and that the certificates configured for the port are those that its peers expect.",
    isLimited: true,
  },

  // Redirect rules.
  REDIRECT_FAILED: {
    level: "error",
    message: "traffic of the target cannot be redirected",
    remedy: "Give the agent CAP_NET_ADMIN and check that the node's kernel has nf_tables (Linux 5.12 or later) or iptables.",
    isLimited: true,
  },
  REDIRECT_WITH_IPTABLES: {
    level: "info",
    message: "traffic of the target is redirected by iptables instead of an nftables table with an owner",
    remedy: "Nothing needs to be done.",
  },
  REDIRECT_WITHOUT_GUARD: {
    level: "warn",
    message: "traffic of the target is redirected by iptables, and nothing removes the rules if the agent is killed",
    remedy: "Set UNDERSTUDY_REDIRECT=iptables in the agent's pod and start the agent by bin/mirrord-agent.",
    isLimited: true,
  },
  REDIRECT_FAMILY_LEFT_OUT: {
    level: "warn",
    message: "iptables rules cannot be made for one address family, whose traffic is not redirected",
    remedy: "Check that the node's kernel has the nat table of this family; where the target does not use it, nothing is missing.",
    isLimited: true,
  },
  REDIRECT_OUTPUT_LEFT_OUT: {
    level: "warn",
    message: "connections made inside the pod are not redirected, since the kernel's iptables cannot tell the agent's group",
    remedy: "Check that the node's kernel has the iptables match owner.",
    isLimited: true,
  },
  REDIRECT_RULES_STAY: {
    level: "error",
    message: "iptables rules of the agent could not be removed",
    remedy: "Remove the chains named MRDIN_, MRDSTD_, MRDOUT_ and MRDMSH_ from table nat of the target's pod, or delete the pod.",
  },
  LEFTOVER_RULES: {
    level: "error",
    message: "redirect rules of another agent, or left behind by one, were found at start",
    remedy: "End the other agent; if there is none, delete the target's pod or set MIRRORD_AGENT_CLEAN_IPTABLES_ON_START.",
  },
  LEFTOVER_RULES_REMOVED: {
    level: "warn",
    message: "redirect rules that an agent left behind were removed",
    remedy: "Check why agents are killed on this node; out of memory is the usual reason.",
  },
  MESH_EXCLUSION_FAILED: {
    level: "error",
    message: "the agent's port cannot be kept out of the service mesh",
    remedy: "Give the agent CAP_NET_ADMIN; until then, clients may not reach the agent through the mesh.",
    isLimited: true,
  },
  REDIRECT_RULES_RELOADED: {
    level: "warn",
    message: "the redirect rules were lost and have been loaded again",
    remedy: "Check what on the node ends the agent's nft process or flushes rules.",
    isLimited: true,
  },
  REDIRECT_RULES_LOST: {
    level: "error",
    message: "the redirect rules were lost and cannot be loaded again",
    remedy: "Check what on the node ends the agent's nft process or flushes rules; clients have to subscribe again.",
    isLimited: true,
  },
  REDIRECT_TABLE_TAKEN: {
    level: "error",
    message: "another agent already redirects traffic of this target",
    remedy: "End the other agent, or wait for it to leave.",
    isLimited: true,
  },
  FLUSH_FAILED: {
    level: "warn",
    message: "existing connections could not be flushed",
    remedy: "Check that the node's kernel has conntrack; until then, connections opened earlier are not redirected.",
    isLimited: true,
  },
} as const satisfies Readonly<Record<string, AdminEvent>>;

/** Code of an event an admin can see. */
export type AdminEventCode = keyof typeof adminEvents;
