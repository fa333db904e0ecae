// Joins a stolen raw connection with a server of the user's, or with the target where that one does not answer.

import type { Duplex } from "node:stream";
import type { ConnectionStream } from "@understudy/client";
import { failureText } from "../failureText.ts";
import type { HostPort } from "../hostPort.ts";
import { connectServer } from "./connectServer.ts";
import { joinConnections } from "./joinConnections.ts";
import type { Transfer } from "./transfer.ts";

/** Never rejects. Owns `peer`. `connectTarget` is null when the target is not to have it. */
export async function forwardConnection(
  peer: ConnectionStream,
  transfer: Transfer,
  server: HostPort,
  connectTarget: (() => Promise<Duplex>) | null,
): Promise<void> {
  try {
    const joined = await connectServer(server).catch(async (error: unknown) => {
      if (connectTarget === null) throw error;
      const target = await connectTarget();
      transfer.fellBack(failureText(error));
      return target;
    });
    transfer.follow(peer);
    await joinConnections(peer, joined);
    transfer.end(null);
  } catch (error) {
    peer.destroy();
    transfer.end(failureText(error));
  }
}
