// Raw TCP: a port that one session has as a whole and answers instead of the target, and the same port mirrored.

import { EchoPeer } from "../../pod/echoPeer.ts";
import { targetPorts } from "../../pod/ports.ts";
import { expect, inSession, type Scenario } from "../scenario.ts";

/** Does not look like the beginning of HTTP. */
const TEXT = "\u0001understudy";

const stealing: Scenario["turn"] = (world) =>
  inSession(world, async (session) => {
    let stolen = 0;
    await session.steal(targetPorts.echo, {
      onConnection: ({ stream }) => {
        stolen += 1;
        stream.pipe(stream);
      },
    });
    using peer = await EchoPeer.connect();
    for (let i = 0; i < 5; i++) expect((await peer.echo(TEXT)) === TEXT, "a stolen connection did not echo");
    expect(stolen > 0, "a connection was not stolen");
  });

const mirroring: Scenario["turn"] = (world) =>
  inSession(world, async (session) => {
    const copied = Promise.withResolvers<void>();
    await session.mirror(targetPorts.echo, { onConnection: ({ stream }) => void stream.on("data", () => copied.resolve()) });
    using peer = await EchoPeer.connect();
    expect((await peer.echo(TEXT)) !== null, "a mirrored connection was cut");
    await copied.promise;
  });

export const raw: readonly Scenario[] = [
  {
    name: "raw TCP",
    // A port can be stolen as a whole by one session only, and its peers lose their connections with it.
    loops: 1,
    restMs: 30,
    turn: (world, number) => (number % 2 === 0 ? stealing : mirroring)(world, number),
  },
];
