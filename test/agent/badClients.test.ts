// Clients that send nonsense, break off, do not read, or come in crowds: whoever behaves well beside them is served as ever, the agent's memory stays
// bounded, and its log at info and above says nothing that a client caused but that a message was malformed, once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "@understudy/client";
import type { ClientMessage } from "@understudy/protocol";
import { AgentProcess } from "../pod/agentProcess.ts";
import { PingWatch } from "../pod/pingWatch.ts";
import { Pod, podSkipReason, targetBigFile } from "../pod/pod.ts";
import { connectToSource, encoded, RawClient, withLength } from "../pod/rawClient.ts";

/** Generous: on a busy machine everything may take a while. */
const MAX_WAIT_MS = 2_000;
const MAX_RESIDENT_MIB = 200;
/** What the log may hold: the agent's own life, and one complaint. */
const allowedEvents = ["TARGET_FOUND", "SERVING", "MALFORMED_MESSAGE"];

const MiB = 1024 * 1024;

const lookUp: ClientMessage = { kind: "getAddrInfoRequest", value: { node: "MARKER" } };
const writeFile: ClientMessage = { kind: "fileRequest", value: { kind: "write", value: { fd: 1, writeBytes: Buffer.from("MARKER") } } };
const variables: ClientMessage = { kind: "getEnvVarsRequest", value: { envVarsFilter: new Set(["MARKER"]), envVarsSelect: new Set() } };
const version: ClientMessage = { kind: "switchProtocolVersion", value: "1.29.0" };

/** Does something bad beside a session that behaves well, and sees that nobody but the one at fault notices. */
async function beside(
  context: TestContext,
  misbehave: (agent: AgentProcess, session: Session) => Promise<void>,
): Promise<AgentProcess["events"]> {
  await using pod = await Pod.start();
  await using agent = await AgentProcess.start(pod);
  await using session = await agent.connect();
  await using quiet = new PingWatch(session);
  await sleep(200); // Long enough for a measure of an undisturbed run.
  const undisturbed = await quiet.stop();
  await using watch = new PingWatch(session);
  await misbehave(agent, session);
  const disturbed = await watch.stop();
  const residentMiB = await agent.residentMiB();
  context.diagnostic(
    `longest wait ${disturbed.longestMs.toFixed(1)} ms, undisturbed ${undisturbed.longestMs.toFixed(1)} ms; ${residentMiB.toFixed(0)} MiB`,
  );
  assert.ok(disturbed.longestMs < MAX_WAIT_MS, `a ping waited for ${disturbed.longestMs} ms`);
  assert.ok(residentMiB < MAX_RESIDENT_MIB, `the agent holds ${residentMiB} MiB`);
  // The agent still does everything else.
  await session.files.stat("/etc/hosts");
  await using other = await agent.connect();
  await other.ping();
  const { events } = agent;
  assert.deepEqual(
    events.filter((code) => !allowedEvents.includes(code)),
    [],
  );
  assert.ok(events.filter((code) => code === "MALFORMED_MESSAGE").length <= 1, "a complaint that clients cause is limited in rate");
  return events;
}

/** Many clients at once, each of which is over when `act` is. */
async function crowd(size: number, act: (client: RawClient, index: number) => Promise<void> | void): Promise<void> {
  await Promise.all(
    Array.from({ length: size }, async (_, index) => {
      using client = await RawClient.connect();
      await act(client, index);
    }),
  );
}

suite("a well-behaved session is served as ever", { skip: podSkipReason() }, () => {
  test("beside clients that send garbage, which are disconnected", async (context) => {
    const events = await beside(context, () =>
      crowd(100, async (client, index) => {
        client.send(index % 2 === 0 ? encoded({ kind: "ping" }) : encoded(version));
        // Begins with a variant that does not exist, so that it cannot be taken for the beginning of a long message.
        client.send(Buffer.concat([Buffer.from([0xf0]), randomBytes(64 * 1024)]));
        await client.closed();
      }),
    );
    assert.ok(events.includes("MALFORMED_MESSAGE"));
  });

  test("beside clients that send random bytes and leave", async (context) => {
    await beside(context, () =>
      crowd(200, async (client) => {
        client.send(randomBytes(16 * 1024));
        client.end();
        await client.closed();
      }),
    );
  });

  test("beside clients that break off in the middle of a message, by ending or by a reset", async (context) => {
    const message = encoded(version, lookUp, writeFile, variables);
    const events = await beside(context, () =>
      crowd(message.length * 4, async (client, index) => {
        client.send(message.subarray(0, 1 + (index % (message.length - 1))));
        if (index % 3 === 0) client.reset();
        else client.end();
        await client.closed();
      }),
    );
    assert.ok(!events.includes("MALFORMED_MESSAGE"), "half a message is not malformed");
  });

  test("beside clients that announce absurd lengths, which are disconnected", async (context) => {
    const lengths = [2n ** 32n - 1n, 2n ** 46n, 2n ** 63n, 2n ** 64n - 1n];
    await beside(context, () =>
      crowd(60, async (client, index) => {
        const length = lengths[index % lengths.length]!;
        client.send(withLength([lookUp, writeFile, variables][index % 3]!, "MARKER", length));
        await client.closed();
      }),
    );
  });

  test("beside clients that ask for more of a file than there is memory", async (context) => {
    await beside(context, async (_agent, session) => {
      const fd = await session.files.open(targetBigFile);
      const reads = await Promise.allSettled(Array.from({ length: 4 }, () => session.files.read(fd, 2 ** 40)));
      for (const read of reads) if (read.status === "fulfilled") assert.ok(read.value.length <= 64 * MiB);
    });
  });

  test("beside clients that send unknown variants, which are disconnected", async (context) => {
    const unknown = [[0x30], [0xfa], [0xfb, 0xff, 0xff], [0xfc, 0xff, 0xff, 0xff, 0xff], [0x05, 0x70], [0x02, 0x09]];
    await beside(context, () =>
      crowd(60, async (client, index) => {
        client.send(Buffer.from(unknown[index % unknown.length]!));
        await client.closed();
      }),
    );
  });

  test("beside clients that ping without reading", async (context) => {
    const pings = Buffer.alloc(256 * 1024, encoded({ kind: "ping" }));
    await beside(context, () => crowd(4, (client) => client.flood(pings, 64 * MiB)));
  });

  test("beside clients that ask for files and names without reading", async (context) => {
    const requests = Buffer.concat(
      Array.from({ length: 1000 }, () =>
        encoded(
          { kind: "fileRequest", value: { kind: "xstat", value: { path: "/etc/hosts", fd: null, followSymlink: true } } },
          { kind: "getAddrInfoRequest", value: { node: "localhost" } },
        ),
      ),
    );
    await beside(context, () => crowd(4, (client) => client.flood(requests, 16 * MiB)));
  });

  test("beside clients that do not read what their connections bring in bulk", async (context) => {
    await beside(context, () =>
      crowd(10, async (client) => {
        client.send(connectToSource(20));
        await sleep(1500); // The subject is what piles up in time.
      }),
    );
  });

  test("beside clients that say nothing, or very little at a time", async (context) => {
    const message = encoded(version, lookUp);
    await beside(context, () =>
      crowd(100, async (client, index) => {
        for (const byte of index % 2 === 0 ? [] : message) {
          client.send(Buffer.of(byte));
          await sleep(10);
        }
      }),
    );
  });

  test("among a thousand sessions that are open at once and are all answered", async (context) => {
    await beside(context, async (agent) => {
      const sessions = await Promise.all(Array.from({ length: 1000 }, () => agent.connect()));
      await Promise.all(sessions.map((session) => session.ping()));
      await Promise.all(sessions.map((session) => session.env({ select: ["UNDERSTUDY_PLACE"] })));
      const residentMiB = await agent.residentMiB();
      assert.ok(residentMiB < MAX_RESIDENT_MIB, `the agent holds ${residentMiB} MiB`);
      await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()));
    });
  });
});
