// The main process of a container of this machine's Docker, by its Engine API (GET /containers/{id}/json) over Docker's unix socket.

import { request } from "node:http";
import { failureText } from "../../failureText.ts";

const DEFAULT_SOCKET = "/var/run/docker.sock";
const ANSWER_MAX_MS = 5_000;
const ANSWER_MAX_BYTES = 8 * 1024 * 1024;

/** @throws Error whose text says what to do. */
export async function dockerContainerPid(name: string, signal: AbortSignal, env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const { status, body } = await ask(socketPath(env), `/containers/${encodeURIComponent(name)}/json`, signal);
  if (status === 404) throw new Error(`Docker has no container ${name}: docker ps lists those that run`);
  if (status !== 200) throw new Error(`Docker answered ${status} when it was asked for container ${name}`);
  const pid = (body as { readonly State?: { readonly Pid?: unknown } } | null)?.State?.Pid;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 0)
    throw new Error("Docker's answer tells no process of the container");
  if (pid === 0) throw new Error(`container ${name} is not running: docker start ${name} starts it`);
  return pid;
}

/** Names of the containers that run. @throws Error as above. */
export async function dockerContainerNames(signal: AbortSignal, env: NodeJS.ProcessEnv = process.env): Promise<readonly string[]> {
  const { body } = await ask(socketPath(env), "/containers/json", signal);
  if (!Array.isArray(body)) return [];
  return (body as { readonly Names?: readonly string[] }[]).flatMap(({ Names = [] }) => Names.map((name) => name.replace(/^\//, "")));
}

function socketPath(env: NodeJS.ProcessEnv): string {
  const host = env["DOCKER_HOST"];
  if (host === undefined || host === "") return DEFAULT_SOCKET;
  if (!host.startsWith("unix://"))
    throw new Error(`DOCKER_HOST is ${host}: an agent can be started beside containers of this machine only`);
  return host.slice("unix://".length);
}

async function ask(socket: string, path: string, signal: AbortSignal): Promise<{ readonly status: number; readonly body: unknown }> {
  const late = AbortSignal.timeout(ANSWER_MAX_MS);
  try {
    const { status, text } = await get(socket, path, AbortSignal.any([signal, late]));
    return { status, body: JSON.parse(text) };
  } catch (error) {
    if (signal.aborted) throw error;
    const reason = late.aborted ? `no answer within ${ANSWER_MAX_MS / 1000} s` : failureText(error);
    throw new Error(`Docker does not answer at ${socket}: ${reason}; is it installed and running, and may you use it?`, { cause: error });
  }
}

function get(socketPath: string, path: string, signal: AbortSignal): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path, signal, headers: { host: "docker" } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > ANSWER_MAX_BYTES) response.destroy(new Error(`its answer is longer than ${ANSWER_MAX_BYTES} bytes`));
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }));
      response.on("error", reject);
    });
    asking.on("error", reject);
    asking.end();
  });
}
