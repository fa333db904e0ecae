// The variables that a command sees: this machine's, with the target's over them, except those that say where this machine has its own things.

/** What names places, programs and people of this machine; the target's values would point to what is not here. */
const ownByPurpose = {
  user: "HOME USER LOGNAME SHELL SHLVL PWD OLDPWD HOSTNAME EDITOR VISUAL PAGER MAIL _",
  places: "PATH MANPATH TMPDIR TMP TEMP LD_LIBRARY_PATH LD_PRELOAD SSL_CERT_FILE SSL_CERT_DIR",
  terminal: "TERM TERM_PROGRAM COLORTERM COLUMNS LINES NO_COLOR FORCE_COLOR DISPLAY WAYLAND_DISPLAY XAUTHORITY",
  language: "LANG LANGUAGE TZ",
  sockets: "SSH_AUTH_SOCK SSH_AGENT_PID GPG_AGENT_INFO DBUS_SESSION_BUS_ADDRESS",
  node: "NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS",
  python: "PYTHONHOME PYTHONPATH VIRTUAL_ENV",
  java: "JAVA_HOME JAVA_TOOL_OPTIONS CLASSPATH",
  go: "GOPATH GOROOT GOCACHE GOBIN",
  others: "RUBYLIB RUBYOPT GEM_HOME GEM_PATH BUNDLE_PATH PERL5LIB CARGO_HOME RUSTUP_HOME",
} as const;
const ownNames: ReadonlySet<string> = new Set(Object.values(ownByPurpose).flatMap((names) => names.split(" ")));
const ownPrefixes = ["LC_", "XDG_", "npm_", "NVM_"];

/** For the help text: what `commandEnvironment` keeps. */
export const ownNamesText = `${[...ownNames].filter((name) => name !== "_").join(" ")} and names that begin with ${ownPrefixes.join(" ")}`;

export interface EnvironmentParts {
  readonly own: Readonly<Record<string, string | undefined>>;
  /** Null: without the target's. */
  readonly target: ReadonlyMap<string, string> | null;
  /** More names whose values are this machine's. */
  readonly keep: readonly string[];
  /** Null: without proxies. */
  readonly proxies: ProxyAddresses | null;
}

/** Each `HOST:PORT`. */
export interface ProxyAddresses {
  readonly socks: string;
  readonly http: string;
}

/** The environment of the command. A name that is this machine's and not set here is not set for the command either. */
export function commandEnvironment({ own, target, keep, proxies }: EnvironmentParts): Record<string, string> {
  const isOwn = (name: string): boolean =>
    ownNames.has(name) || keep.includes(name) || ownPrefixes.some((prefix) => name.startsWith(prefix));
  const ofTarget = [...(target ?? [])].filter(([name]) => !isOwn(name));
  const here = Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...Object.fromEntries(here), ...Object.fromEntries(ofTarget), ...(proxies === null ? {} : proxyVariables(proxies)) };
}

/** Programs disagree about the case. What is on this machine is reached without a proxy. */
function proxyVariables({ socks, http }: ProxyAddresses): Record<string, string> {
  const values = {
    ALL_PROXY: `socks5h://${socks}`,
    HTTP_PROXY: `http://${http}`,
    HTTPS_PROXY: `http://${http}`,
    NO_PROXY: "localhost,127.0.0.1,::1",
  };
  const lowerCase = Object.entries(values).map(([name, value]) => [name.toLowerCase(), value] as const);
  // Node looks at them only then.
  return { ...values, ...Object.fromEntries(lowerCase), NODE_USE_ENV_PROXY: "1" };
}
