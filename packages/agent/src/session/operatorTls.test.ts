// Sessions of an operator, over TLS in which it is the server although it connects.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readOperatorCertificate } from "./operatorCertificate.ts";
import { type Certificate, certify, connectAsOperator } from "./operatorFixture.ts";
import { OperatorTls, type OperatorTlsOptions } from "./operatorTls.ts";
import { AgentUnderTest, type AgentUnderTestOptions, listening, portOf } from "./sessionFixture.ts";

const skip = spawnSync("openssl", ["version"]).error !== undefined && process.env["CI"] === undefined ? "needs openssl" : false;
const READ_BYTES = 1024 * 1024;

function agentOf({ cert }: Certificate, tls: OperatorTlsOptions = {}, options: AgentUnderTestOptions = {}): Promise<AgentUnderTest> {
  return AgentUnderTest.start({ ...options, operatorTls: new OperatorTls(readOperatorCertificate(cert), tls) });
}

function closed(socket: { readonly closed: boolean; once(event: "close", listener: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => (socket.closed ? resolve() : void socket.once("close", () => resolve())));
}

suite("with the operator's certificate", { skip }, () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const names of ["DNS:operator.mirrord.svc", "IP:10.20.30.40", "IP:fd00::1"]) {
      test(`the operator is served by ${version} as ${names}`, async () => {
        const certificate = await certify(names);
        const bytes = Buffer.alloc(READ_BYTES, "content");
        await using agent = await agentOf(
          certificate,
          {},
          {
            handleFile: () => Promise.resolve({ kind: "read", value: { kind: "ok", value: { bytes, readAmount: READ_BYTES } } }),
          },
        );
        using operator = await connectAsOperator(agent.port, certificate, version);
        const { client, tls } = operator;
        await operator.secured;
        assert.equal(tls.getProtocol(), version);
        assert.equal((tls as { servername?: string | false }).servername || "", names.startsWith("DNS:") ? names.slice(4) : "");
        assert.equal(tls.alpnProtocol, false);
        client.send({ kind: "switchProtocolVersion", value: "1.29.0" }, { kind: "ping" });
        assert.equal((await client.next("switchProtocolVersionResponse")).value, "1.29.0");
        await client.next("pong");
        for (let count = 0; count < 5; count++) {
          client.send({ kind: "fileRequest", value: { kind: "read", value: { remoteFd: 1, bufferSize: READ_BYTES } } }, { kind: "ping" });
        }
        for (let count = 0; count < 5; count++) {
          const { value } = await client.next("file");
          assert.ok(value.kind === "read" && value.value.kind === "ok");
          assert.ok(bytes.equals(value.value.value.bytes));
          await client.next("pong");
        }
        assert.deepEqual(agent.log.events, []);
        assert.equal(agent.sessions.count, 1);
      });
    }
  }

  test("connections of the operator work, with more than every buffer on the way in both directions", async () => {
    const certificate = await certify("DNS:operator");
    await using agent = await agentOf(certificate);
    const echo = await listening(createServer((socket) => void socket.pipe(socket)));
    using operator = await connectAsOperator(agent.port, certificate);
    const { client, raw } = operator;
    client.send({
      kind: "tcpOutgoing",
      value: { kind: "connect", value: { remoteAddress: { kind: "ip", value: { ip: "127.0.0.1", port: portOf(echo) } } } },
    });
    const made = await client.next("tcpOutgoing");
    assert.ok(made.value.kind === "connect" && made.value.value.kind === "ok");
    const { connectionId } = made.value.value.value;
    const sent = Buffer.alloc(6 << 20, "0123456789abcde");
    raw.pause();
    for (let at = 0; at < sent.length; at += 64 * 1024) {
      client.send({ kind: "tcpOutgoing", value: { kind: "write", value: { connectionId, bytes: sent.subarray(at, at + 64 * 1024) } } });
    }
    const received: Uint8Array[] = [];
    for (let count = 0; count < sent.length; count += received.at(-1)!.length) {
      const { value } = await client.next("tcpOutgoing");
      assert.ok(value.kind === "read" && value.value.kind === "ok");
      received.push(value.value.value.bytes);
    }
    assert.ok(sent.equals(Buffer.concat(received)));
    echo.close();
  });

  test("who has another certificate, or no TLS, is turned away, and the operator goes on", async () => {
    const [certificate, other] = [await certify("DNS:operator"), await certify("DNS:operator")];
    await using agent = await agentOf(certificate);
    using operator = await connectAsOperator(agent.port, certificate);
    await operator.secured;
    using stranger = await connectAsOperator(agent.port, other);
    await closed(stranger.raw);
    assert.deepEqual(stranger.client.messages, []);
    const plain = connect(agent.port, "127.0.0.1").resume();
    plain.write(Buffer.from("\x00\x05\x061.29.0"));
    await closed(plain);
    const reset = connect(agent.port, "127.0.0.1");
    await once(reset, "data");
    reset.resetAndDestroy();
    operator.client.send({ kind: "ping" });
    await operator.client.next("pong");
    while (agent.log.events.length < 3) await sleep(5);
    assert.deepEqual(
      agent.log.events.map(({ code }) => code),
      ["OPERATOR_TLS_FAILED", "OPERATOR_TLS_FAILED", "OPERATOR_TLS_FAILED"],
    );
    assert.equal(agent.log.events[0]?.fields?.["error"], "DEPTH_ZERO_SELF_SIGNED_CERT");
    assert.equal(agent.sessions.count, 1);
    assert.equal(agent.metrics.sessions.value, 1);
  });

  test("a certificate signed by the operator's, for another name, is refused", async () => {
    const certificate = await certify("DNS:operator");
    const { certificate: pem } = readOperatorCertificate(certificate.cert);
    await using agent = await AgentUnderTest.start({ operatorTls: new OperatorTls({ certificate: pem, name: "someone.else" }) });
    using operator = await connectAsOperator(agent.port, certificate);
    await closed(operator.raw);
    assert.equal(agent.log.events[0]?.fields?.["error"], "ERR_TLS_CERT_ALTNAME_INVALID");
  });

  test("a handshake that does not begin, or does not go on, ends after its time", async () => {
    const certificate = await certify("DNS:operator");
    await using agent = await agentOf(certificate, { handshakeTimeoutMs: 200 });
    const silent = connect(agent.port, "127.0.0.1").resume();
    const begun = connect(agent.port, "127.0.0.1").resume();
    begun.write(Buffer.from([0x16, 0x03, 0x03, 0x40]));
    const beganAt = performance.now();
    await Promise.all([closed(silent), closed(begun)]);
    assert.ok(performance.now() - beganAt >= 150);
    using operator = await connectAsOperator(agent.port, certificate);
    operator.client.send({ kind: "ping" });
    await operator.client.next("pong");
    await sleep(250); // The subject is time: the limit is over and must not matter any more.
    operator.client.send({ kind: "ping" });
    await operator.client.next("pong");
    assert.equal(agent.sessions.count, 1);
  });

  test("strangers who say nothing do not keep the operator out", async () => {
    const certificate = await certify("DNS:operator");
    await using agent = await agentOf(certificate, { maxHandshakes: 2 });
    const strangers = Array.from({ length: 5 }, () => connect(agent.port, "127.0.0.1").resume());
    await Promise.all(strangers.slice(0, 3).map(closed));
    using operator = await connectAsOperator(agent.port, certificate);
    operator.client.send({ kind: "ping" });
    await operator.client.next("pong");
    for (const stranger of strangers) stranger.destroy();
  });

  test("an end, half a message, a malformed message and a reset end only their session, and leave no descriptor", async () => {
    const certificate = await certify("DNS:operator");
    await using agent = await agentOf(certificate);
    using steady = await connectAsOperator(agent.port, certificate);
    await steady.secured;
    const before = readdirSync("/proc/self/fd").length;
    const endings: ((operator: Awaited<ReturnType<typeof connectAsOperator>>) => void)[] = [
      ({ tls }) => tls.end(),
      ({ raw }) => raw.end(),
      ({ tls }) => tls.end(Buffer.alloc(3)),
      ({ tls }) => tls.write(Buffer.alloc(64, 0xff)),
      ({ raw }) => raw.resetAndDestroy(),
      ({ raw }) => raw.write("this is no TLS record"),
    ];
    for (const end of endings) {
      const operator = await connectAsOperator(agent.port, certificate);
      operator.client.send({ kind: "ping" });
      await operator.client.next("pong");
      end(operator);
      await closed(operator.raw);
      operator.tls.destroy();
    }
    while (agent.sessions.count > 1) await sleep(5);
    steady.client.send({ kind: "ping" });
    await steady.client.next("pong");
    const deadline = performance.now() + 5000;
    while (readdirSync("/proc/self/fd").length > before && performance.now() < deadline) await sleep(20);
    assert.ok(readdirSync("/proc/self/fd").length <= before);
    assert.deepEqual(
      agent.log.events.map(({ code }) => code),
      ["MALFORMED_MESSAGE"],
    );
  });

  test("the agent's end is told to the operator after what was answered, and ends handshakes", async () => {
    const certificate = await certify("DNS:operator");
    const bytes = Buffer.alloc(READ_BYTES, 7);
    await using agent = await agentOf(
      certificate,
      {},
      {
        handleFile: () => Promise.resolve({ kind: "read", value: { kind: "ok", value: { bytes, readAmount: READ_BYTES } } }),
      },
    );
    using operator = await connectAsOperator(agent.port, certificate);
    const { client } = operator;
    client.send({ kind: "fileRequest", value: { kind: "read", value: { remoteFd: 1, bufferSize: READ_BYTES } } }, { kind: "ping" });
    await client.next("pong");
    const silent = connect(agent.port, "127.0.0.1").resume();
    await once(silent, "data");
    await agent.sessions.close("the agent is stopping: received SIGTERM");
    await closed(silent);
    const kinds = (await client.next("file"), await client.next("close"));
    assert.equal(kinds.value, "the agent is stopping: received SIGTERM");
    await client.closed;
    assert.deepEqual(agent.log.events, []);
  });

  test("an operator who does not read is closed, and the others are not slowed", async () => {
    const certificate = await certify("DNS:operator");
    const bytes = Buffer.alloc(READ_BYTES, 7);
    await using agent = await agentOf(
      certificate,
      {},
      {
        deafTimeoutMs: 500,
        handleFile: () => Promise.resolve({ kind: "read", value: { kind: "ok", value: { bytes, readAmount: READ_BYTES } } }),
      },
    );
    using deaf = await connectAsOperator(agent.port, certificate);
    using other = await connectAsOperator(agent.port, certificate);
    deaf.client.send({ kind: "ping" });
    await deaf.client.next("pong");
    deaf.tls.pause();
    deaf.raw.pause();
    for (let count = 0; count < 40; count++) {
      deaf.client.send({ kind: "fileRequest", value: { kind: "read", value: { remoteFd: 1, bufferSize: READ_BYTES } } });
    }
    while (agent.sessions.count < 2) await sleep(5);
    while (agent.metrics.deafSessions.value === 0) {
      other.client.send({ kind: "ping" });
      await other.client.next("pong");
      assert.ok(agent.budget.usedBytes < 8 << 20);
      await sleep(20);
    }
    assert.equal(agent.sessions.count, 1);
  });
});
