// Fixed answers to what this agent does not do. Clients know the texts: they come from the protocol's other agent. Each is fatal for a
// client, but the connection stays open, since a proxy in between may serve others on it.

import type { DaemonMessage } from "@understudy/protocol";

export const pauseTarget: DaemonMessage = { kind: "close", value: "Pause isn't supported anymore." };

export const vpn: DaemonMessage = { kind: "close", value: "VPN is not supported" };

export const stealTargetless: DaemonMessage = { kind: "close", value: "incoming traffic stealing is not available in the targetless mode" };

export const mirrorTargetless: DaemonMessage = {
  kind: "close",
  value:
    "component responsible for mirroring incoming traffic is not running, which might be due to Kubernetes node kernel version <4.20. " +
    "Check agent logs for errors and please report a bug if kernel version >=4.20",
};
