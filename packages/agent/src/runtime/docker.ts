// Docker by its HTTP API, in whatever version the daemon has. Source: docs.docker.com/reference/api/engine, ContainerInspect.

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type AskRuntime, memberOf, runningPid, textsOf } from "./containerAnswer.ts";

const ANSWER_MAX_BYTES = 16 * 1024 * 1024;

export const askDocker: AskRuntime = async (socketPath, { containerId, signal }) => {
  const path = `/containers/${encodeURIComponent(containerId)}/json?size=false`;
  const asking = request({ socketPath, path, host: "localhost", headers: { connection: "close" }, signal });
  asking.end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  const body = await bodyOf(response);
  if (response.statusCode !== 200) throw new Error(`HTTP status ${response.statusCode}: ${body.toString("utf8", 0, 200).trim()}`);
  const container: unknown = JSON.parse(body.toString());
  return { pid: runningPid(memberOf(container, "State", "Pid")), environment: textsOf(memberOf(container, "Config", "Env")) };
};

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > ANSWER_MAX_BYTES) throw new Error(`the answer has more than ${ANSWER_MAX_BYTES} bytes`);
  }
  return Buffer.concat(chunks);
}
