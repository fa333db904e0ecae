// CRI-O by the container runtime interface of Kubernetes. The process is in what the runtime says beyond that interface (`verbose`).
// Source of messages and field numbers: github.com/kubernetes/cri-api, pkg/apis/runtime/v1/api.proto.

import { type AskRuntime, memberOf, runningPid, textsOf } from "./containerAnswer.ts";
import { bytesField, decodeMessage, encodeMessage } from "./protobuf.ts";
import { callUnary } from "./unaryCall.ts";

export const askCrio: AskRuntime = async (socketPath, { containerId, signal }) => {
  const method = "runtime.v1.RuntimeService/ContainerStatus";
  const answer = await callUnary({ socketPath, method, signal, request: encodeMessage({ 1: containerId, 2: true }) });
  const texts = infoOf(answer);
  // Older versions have it beside the others, newer ones in one JSON text.
  const plainPid = texts.get("pid");
  const info: unknown = JSON.parse(texts.get("info") ?? "{}");
  const isPlain = plainPid !== undefined && /^\d{1,10}$/.test(plainPid);
  return {
    pid: runningPid(isPlain ? Number(plainPid) : memberOf(info, "pid")),
    environment: textsOf(memberOf(info, "runtimeSpec", "process", "env")),
  };
};

/** `ContainerStatusResponse.info`, a map from texts to texts. */
function infoOf(answer: Buffer): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const { number, value } of decodeMessage(answer)) {
    if (number !== 2 || typeof value === "number") continue;
    texts.set(bytesField(value, 1)?.toString() ?? "", bytesField(value, 2)?.toString() ?? "");
  }
  return texts;
}
