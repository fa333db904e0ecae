// HTTP/2 with prior knowledge: streams that a session steals beside such that go to the target, on one connection of a peer.

import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { podIpv4 } from "../../pod/pod.ts";
import { targetPorts } from "../../pod/ports.ts";
import { answerAs, as, wantedBy } from "../../pod/stealing.ts";
import { expect, inSession, type Scenario } from "../scenario.ts";

const STREAMS = 10;

async function ask(peer: ClientHttp2Session, headers: Readonly<Record<string, string>>): Promise<string> {
  const stream = peer.request({ ":path": "/h2", ...headers });
  let body = "";
  stream.setEncoding("utf8").on("data", (text: string) => (body += text));
  await once(stream, "end");
  return body;
}

const stealing: Scenario = {
  name: "HTTP/2",
  loops: 2,
  restMs: 30,
  turn: (world, number) =>
    inSession(world, async (session) => {
      const user = `h2-${number}`;
      await session.steal(targetPorts.http2, { filter: wantedBy(user), onRequest: answerAs(user) });
      const peer = connect(`http://${podIpv4}:${targetPorts.http2}`);
      peer.on("error", () => undefined);
      const asked = Array.from({ length: STREAMS }, (_, i) => ask(peer, as(i % 2 === 0 ? user : "somebody")));
      for (const [i, body] of (await Promise.all(asked)).entries()) {
        expect(body.startsWith(i % 2 === 0 ? user : "target"), `a stream got "${body}" from the wrong side`);
      }
      // Every other turn the peer vanishes with streams under way.
      if (number % 2 === 0) peer.close();
      else {
        peer.request({ ":path": "/h2", ...as(user) }).on("error", () => undefined);
        peer.destroy();
      }
    }),
};

export const http2: readonly Scenario[] = [stealing];
