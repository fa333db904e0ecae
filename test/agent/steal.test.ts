// Stolen and mirrored traffic through the kernel's redirect: who gets what, over both families, from outside the pod and from inside.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { buffer, text } from "node:stream/consumers";
import { AgentProcess } from "../pod/agentProcess.ts";
import { get, outsideIpv4, outsideIpv6, Pod, podIpv4, podIpv6, podSkipReason, targetSaw } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs, as, wantedBy } from "../pod/stealing.ts";

const { http, echo, otherHttp } = targetPorts;

suite("a stolen port", { skip: podSkipReason() }, () => {
  test("requests that the filter wants go to the client, others to the target as they are, over both families", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    const sources: (string | undefined)[] = [];
    const answer = answerAs("client");
    await session.steal(http, {
      filter: wantedBy("me"),
      onRequest: (request) => {
        sources.push(request.source?.ip, request.destination?.ip);
        assert.equal(request.destination?.port, http);
        return answer(request);
      },
    });
    for (const host of [podIpv4, podIpv6]) {
      assert.equal((await get("/mine", { host, headers: as("me") })).body, "client /mine\n");
      const passed = await get("/theirs", { host, headers: as("somebody") });
      assert.equal(passed.status, 200);
      assert.equal(targetSaw(passed).by, "target");
      assert.equal(targetSaw(passed).path, "/theirs");
      assert.equal(targetSaw(await get("/plain", { host })).path, "/plain");
      assert.equal((await get("/", { host, port: otherHttp, headers: as("me") })).body, '{"by":"target"}');
    }
    assert.deepEqual(sources, [outsideIpv4, podIpv4, outsideIpv6, podIpv6]);
  });

  test("requests that the target makes to its own port inside the pod are stolen, too", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    await session.steal(http, { filter: wantedBy("me"), onRequest: answerAs("client") });
    for (const host of ["127.0.0.1", "::1", podIpv4, podIpv6]) {
      assert.equal((await pod.requestFromTarget({ host, path: "/inside", headers: as("me") })).body, "client /inside\n", host);
      assert.equal(targetSaw(await pod.requestFromTarget({ host, path: "/inside" })).by, "target", host);
    }
  });

  test("what the agent connects for its client reaches the target, although its port is stolen", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using session = await agent.connect();
    let stolen = 0;
    const answer = answerAs("client");
    await session.steal(http, { onRequest: (request) => ((stolen += 1), answer(request)) });
    for (const ip of ["127.0.0.1", "::1", podIpv4, podIpv6]) {
      const connection = await session.connectTcp({ ip, port: http });
      connection.write("GET /own HTTP/1.1\r\nhost: target\r\nx-user: me\r\nconnection: close\r\n\r\n");
      const answered = await text(connection);
      assert.match(answered, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(answered, /"by":"target","path":"\/own"/);
      connection.destroy();
    }
    assert.equal(stolen, 0);
    assert.equal((await get("/outside")).body, "client /outside\n");
    assert.equal(stolen, 1);
  });

  for (const keepsAddress of [true, false]) {
    test(`passed traffic reaches the target at ${keepsAddress ? "the address that its peer asked for" : "its loopback address"} with EXTERNAL_IP_FIX=${keepsAddress}`, async () => {
      await using pod = await Pod.start();
      await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_EXTERNAL_IP_FIX: String(keepsAddress) } });
      await using session = await agent.connect();
      await session.steal(http, { filter: wantedBy("me"), onRequest: answerAs("client") });
      await session.steal(echo, { filter: wantedBy("me"), onRequest: answerAs("client") });
      for (const [host, kept, loopback] of [
        [podIpv4, `::ffff:${podIpv4}`, "::ffff:127.0.0.1"],
        [podIpv6, podIpv6, "::1"],
      ] as const) {
        const saw = targetSaw(await get("/", { host }));
        assert.equal(saw.address, keepsAddress ? kept : loopback);
        assert.equal(saw.port, http);
        const socket = connect({ host, port: echo });
        socket.end("not HTTP\n");
        assert.equal(await text(socket), "not HTTP\n");
      }
    });
  }

  test("each of several sessions gets its own requests; one that leaves takes nothing from the others", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using first = await agent.connect();
    await using second = await agent.connect();
    await using watching = await agent.connect();
    const mirrored: string[] = [];
    await first.steal(http, { filter: wantedBy("first"), onRequest: answerAs("first") });
    await second.steal(http, { filter: wantedBy("second"), onRequest: answerAs("second") });
    await watching.mirror(http, { onRequest: ({ uri }) => void mirrored.push(uri) });
    const answers = async (): Promise<string[]> => {
      const users = ["first", "second", "nobody"];
      const responses = await Promise.all(users.map((user) => get(`/${user}`, { headers: as(user) })));
      return responses.map(({ status, body }) => (status === 200 && body.includes('"by":"target"') ? "target" : body.trim()));
    };
    assert.deepEqual(await answers(), ["first /first", "second /second", "target"]);
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await answers(), ["target", "second /second", "target"]);
    await watching.ping();
    assert.deepEqual(mirrored.toSorted(), ["/first", "/first", "/nobody", "/nobody", "/second", "/second"]);
    await watching[Symbol.asyncDispose]();
    await second.ping();
    assert.deepEqual(await answers(), ["target", "second /second", "target"]);
  });

  test("a session without a filter takes the port from those with one, and raw connections with it", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod);
    await using filtering = await agent.connect();
    await using owning = await agent.connect();
    await filtering.steal(http, { filter: wantedBy("me"), onRequest: answerAs("filtering") });
    await owning.steal(http, {
      onRequest: answerAs("owner"),
      onConnection: ({ stream }) => void buffer(stream).then((bytes) => stream.end(`owner took ${bytes.length} bytes`)),
    });
    assert.equal((await get("/", { headers: as("me") })).body, "owner /\n");
    const socket = connect({ host: podIpv4, port: http, allowHalfOpen: true });
    await once(socket, "connect");
    socket.end(Buffer.alloc(300_000));
    assert.equal(await text(socket), "owner took 300000 bytes");
    socket.destroy();
  });

  test("goes back to the target when its client unsubscribes or vanishes, without a rule left that redirects it", async () => {
    await using pod = await Pod.start();
    await using agent = await AgentProcess.start(pod, { env: { MIRRORD_AGENT_IDLE_TTL: "60" } });
    await using session = await agent.connect();
    const subscription = await session.steal(http, { onRequest: answerAs("client") });
    assert.equal((await get()).body, "client /\n");
    await subscription.close();
    assert.equal(targetSaw(await get()).by, "target");
    await using vanishing = await agent.connect({ signal: AbortSignal.timeout(60_000) });
    await vanishing.steal(http, { onRequest: answerAs("client") });
    assert.equal((await get()).body, "client /\n");
    await vanishing[Symbol.asyncDispose]();
    assert.equal(targetSaw(await get()).by, "target");
    await session.ping();
    assert.match(await pod.exec("nft", "list", "set", "inet", "understudy", "ports"), /type inet_service\n\s*}/);
  });
});
