// Docker by its HTTP API, in whatever version the daemon has. Source: docs.docker.com/reference/api/engine, ContainerInspect.

import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { type AskRuntime, memberOf, runningPid, textsOf } from "./containerAnswer.ts";
import { wholeAnswer } from "./wholeAnswer.ts";

export const askDocker: AskRuntime = async (socketPath, { containerId, signal }) => {
  const path = `/containers/${encodeURIComponent(containerId)}/json?size=false`;
  const asking = request({ socketPath, path, host: "localhost", headers: { connection: "close" }, signal });
  asking.end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  const body = await wholeAnswer(response as AsyncIterable<Buffer>);
  if (response.statusCode !== 200) throw new Error(`HTTP status ${response.statusCode}: ${body.toString("utf8", 0, 200).trim()}`);
  const container: unknown = JSON.parse(body.toString());
  return { pid: runningPid(memberOf(container, "State", "Pid")), environment: textsOf(memberOf(container, "Config", "Env")) };
};
