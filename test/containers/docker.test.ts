// Docker's own daemon, its containers, and what finds them: the agent in targeted mode, and the command line's `--docker`.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { AgentProcess } from "../pod/agentProcess.ts";
import { targetFile } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs } from "../pod/stealing.ts";
import { DockerNode, dockerSkipReason } from "./dockerNode.ts";

const url = `http://127.0.0.1:${targetPorts.http}/`;

suite("a container of Docker", { skip: dockerSkipReason() }, () => {
  let node: DockerNode;
  before(async () => (node = await DockerNode.start()));
  after(() => node[Symbol.asyncDispose]());

  test("is found by its id, and served: environment, files, names and requests", async () => {
    const id = await node.startContainer("shop", "COLOUR=blue");
    await using agent = await AgentProcess.start(node, {
      mode: ["targeted", "--container-id", id, "--container-runtime", "docker"],
      network: "outside",
      env: { UNDERSTUDY_HOST_ROOT: node.hostRoot },
    });
    await using session = await agent.connect();
    assert.equal((await session.env()).get("COLOUR"), "blue");
    assert.equal(await session.files.readFile(targetFile.path, "utf8"), targetFile.text);
    assert.deepEqual(
      (await session.lookup("localhost", "ipv4Only")).map(({ ip }) => ip),
      ["127.0.0.1"],
    );
    await session.steal(targetPorts.http, { onRequest: answerAs("client") });
    assert.equal(await node.execIn("shop", "curl", "--silent", url), "client /");
    assert.deepEqual(agent.events, ["TARGET_FOUND", "SERVING"]);
  });

  test("that ends takes the agent with it, which tells its clients", async () => {
    const id = await node.startContainer("leaving", "COLOUR=red");
    await using agent = await AgentProcess.start(node, {
      mode: ["targeted", "--container-id", id, "--container-runtime", "docker"],
      network: "outside",
      env: { UNDERSTUDY_HOST_ROOT: node.hostRoot },
    });
    const session = await agent.connect();
    await node.docker("kill", "leaving");
    assert.equal((await session.closed).end, "closedByAgent");
    await agent.ended;
  });

  test("is what --docker means", async () => {
    await node.startContainer("named", "COLOUR=green");
    const main = new URL("../../packages/cli/src/main.ts", import.meta.url).pathname;
    const command = [
      "env",
      "DOCKER_HOST=unix:///run/docker.sock",
      process.execPath,
      "--conditions=source",
      main,
      "env",
      "COLOUR",
      "--docker",
      "named",
    ];
    assert.equal((await node.exec(...command)).trim(), "COLOUR=green");
  });
});
