// Where the target of a test's pod listens, and what it answers.

/** The name server that the target's resolver is told of, in the pod. It gives every name the same IPv4 address, but for `missing.*`. */
export const nameServer = { ip: "127.0.0.53", answer: "10.99.0.88" } as const;

export const targetPorts = {
  /** Answers every request with a `TargetSaw`. */
  http: 80,
  /** HTTP that no test steals. */
  otherHttp: 81,
  /** gRPC and HTTP/2 with prior knowledge, of `http2Target.ts`. */
  grpc: 82,
  http2: 83,
  /** Echoes TCP and UDP. */
  echo: 7,
  /** Sends without end. */
  source: 19,
} as const;

/** How a request looked to the target. */
export interface TargetSaw {
  readonly by: "target";
  readonly path: string;
  /** Who connected, IPv4 in its IPv6 form. */
  readonly peer: string;
  /** The target's end of the connection. */
  readonly address: string;
  readonly port: number;
}
