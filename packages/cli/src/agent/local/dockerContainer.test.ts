// What is asked of Docker, over a socket where the test answers in its place.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { dockerContainerNames, dockerContainerPid } from "./dockerContainer.ts";

suite("a container of Docker", () => {
  let folder: string;
  let server: Server;
  let env: NodeJS.ProcessEnv;
  let answer: RequestListener;
  const { signal } = new AbortController();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "understudy-docker-"));
    server = createServer((request, response) => answer(request, response)).listen(join(folder, "docker.sock"));
    await once(server, "listening");
    env = { DOCKER_HOST: `unix://${join(folder, "docker.sock")}` };
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  const answers = (status: number, body: unknown): void => {
    answer = (_request, response) => void response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
  };

  test("is found by its name, with its process", async () => {
    const asked: (string | undefined)[] = [];
    answer = (request, response) => {
      asked.push(request.url);
      response.end('{"State":{"Running":true,"Pid":4242}}');
    };
    assert.equal(await dockerContainerPid("web", signal, env), 4242);
    assert.deepEqual(asked, ["/containers/web/json"]);
    answers(200, [{ Names: ["/web"] }, { Names: ["/db", "/web/db"] }]);
    assert.deepEqual(await dockerContainerNames(signal, env), ["web", "db", "web/db"]);
  });

  test("that is not there, does not run, or is answered with something else is told as such", async () => {
    answers(404, { message: "No such container" });
    await assert.rejects(dockerContainerPid("web", signal, env), /no container web: docker ps/);
    answers(200, { State: { Pid: 0 } });
    await assert.rejects(dockerContainerPid("web", signal, env), /container web is not running/);
    answers(500, {});
    await assert.rejects(dockerContainerPid("web", signal, env), /answered 500/);
    for (const body of [{}, [], { State: { Pid: "1" } }, { State: { Pid: -1 } }, { State: { Pid: 1.5 } }]) {
      answers(200, body);
      await assert.rejects(dockerContainerPid("web", signal, env), /tells no process/);
    }
    answers(200, "nonsense");
    await assert.rejects(dockerContainerPid("web", signal, env), /Docker does not answer/);
    answers(200, JSON.stringify("x".repeat(9 * 1024 * 1024)));
    await assert.rejects(dockerContainerPid("web", signal, env), /longer than/);
  });

  test("cannot be found without Docker, or with one of another machine", async () => {
    const nowhere = { DOCKER_HOST: `unix://${folder}/none.sock` };
    await assert.rejects(dockerContainerPid("web", signal, nowhere), /does not answer at .*none\.sock: .*ENOENT.*; is it installed/);
    await assert.rejects(dockerContainerPid("web", signal, { DOCKER_HOST: "tcp://10.0.0.1:2375" }), /containers of this machine only/);
  });

  test("is not waited for longer than the caller wants", async () => {
    answer = () => undefined;
    await assert.rejects(dockerContainerPid("web", AbortSignal.timeout(50), env), { name: "AbortError" });
  });
});
