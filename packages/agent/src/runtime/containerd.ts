// containerd by its own API: the task has the process, the container has the OCI specification with the environment.
// Source of messages and field numbers: github.com/containerd/containerd, api/services/{tasks,containers}/v1 and api/types/task.

import { type AskRuntime, memberOf, runningPid, textsOf } from "./containerAnswer.ts";
import { bytesField, encodeMessage, numberField } from "./protobuf.ts";
import { callUnary } from "./unaryCall.ts";

/** Kubernetes has its containers in this one. */
const metadata = { "containerd-namespace": "k8s.io" };

/** `Process.status`. */
const STATUS_STOPPED = 3;

export const askContainerd: AskRuntime = async (socketPath, { containerId, signal }) => {
  const ask = (method: string): Promise<Buffer> =>
    callUnary({ socketPath, method, metadata, signal, request: encodeMessage({ 1: containerId }) });
  const [taskAnswer, containerAnswer] = await Promise.all([
    ask("containerd.services.tasks.v1.Tasks/Get"),
    ask("containerd.services.containers.v1.Containers/Get"),
  ]);
  // GetResponse.process, Process.pid and Process.status
  const process = bytesField(taskAnswer, 1) ?? Buffer.alloc(0);
  if (numberField(process, 4) === STATUS_STOPPED) throw new Error("the container has ended");
  const pid = runningPid(numberField(process, 3));
  // GetContainerResponse.container, Container.spec, Any.value
  const spec = [1, 5, 2].reduce<Buffer | null>((message, field) => message && bytesField(message, field), containerAnswer);
  if (spec === null) throw new Error("the container has no specification");
  return { pid, environment: textsOf(memberOf(JSON.parse(spec.toString()), "process", "env")) };
};
