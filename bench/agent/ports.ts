// Where the target that is made for measuring listens in its pod; the other ports are those of every test's target.

export const benchPorts = {
  /** Reads and drops. */
  sink: 9,
  /** Sends without end, 4 MB/s on each connection. */
  pacedSource: 20,
  /** HTTP/1 with a short answer to everything. */
  http: 8090,
} as const;

/** Name of the unix socket in the measurement's folder, an echo. */
export const unixEchoName = "echo.sock";
