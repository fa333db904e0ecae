// What other programs and libraries connect with: exported together, as `outgoing`.

export { connectHost, connectUdpHost, connectUnix, type HostAddress } from "./connectHost.ts";
export { dispatcher, type DispatcherOptions } from "./dispatcher.ts";
export { httpAgent, httpsAgent } from "./httpAgents.ts";
export { lookup, type LookupOptions, reverseLookup } from "./names.ts";
export type { SessionSource } from "./sessionSource.ts";
