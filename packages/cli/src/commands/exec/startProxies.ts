// The proxies that lead a command into the target's network.

import type { outgoing } from "@understudy/client";
import { formatHostPort } from "../../hostPort.ts";
import type { Output } from "../../output.ts";
import { TrafficReport } from "../../proxy/trafficReport.ts";
import { startHttpProxy } from "../httpProxy/httpProxyServer.ts";
import { startSocksServer } from "../socks/socksServer.ts";
import type { ProxyAddresses } from "./commandEnvironment.ts";

/** Starts them on free ports of 127.0.0.1; they become `owned`'s. */
export async function startProxies(source: outgoing.SessionSource, output: Output, owned: AsyncDisposableStack): Promise<ProxyAddresses> {
  const at = { host: "127.0.0.1", port: 0 };
  const ending = new AbortController();
  owned.defer(() => ending.abort());
  // The command says itself what it could not reach.
  const services = { source, report: new TrafficReport({ json: false, isDetail: true }, output), stopped: ending.signal };
  const socks = owned.use(await startSocksServer(at, { ...services, credentials: null }));
  const http = owned.use(await startHttpProxy(at, services));
  return { socks: formatHostPort(socks.address), http: formatHostPort(http.address) };
}
