// What other folders use of the tests: pods made of namespaces with a target, and agents in them. Nothing else is shared.

export { AgentProcess, type AgentProcessOptions } from "./pod/agentProcess.ts";
export { get, moveOutside, Pod, podIpv4, podSkipReason, targetBigFile, targetHost } from "./pod/pod.ts";
export { nameServer, targetPorts } from "./pod/ports.ts";
export { ProcessTree } from "./pod/processTree.ts";
export { as, wantedBy } from "./pod/stealing.ts";
export { listening, PeerFolder, startInPod, toolsSkipReason } from "./peers/peerPrograms.ts";
