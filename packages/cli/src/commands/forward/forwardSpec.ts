// What `understudy forward` is told to forward, as the user types it: LOCAL:HOST:REMOTE or LOCAL:unix:/path.

import { parseHostPort } from "../../hostPort.ts";
import type { Destination } from "../../proxy/destination.ts";
import { parseListenPort } from "../../proxy/listenPort.ts";

export interface ForwardSpec {
  /** Port of this machine; 0 is any that is free. */
  readonly port: number;
  readonly to: Destination;
}

/** @throws Error that says what is wrong. */
export function parseForwardSpec(text: string): ForwardSpec {
  const match = /^(\d+):(.+)$/s.exec(text);
  const [, local = "", remote = ""] = match ?? [];
  if (match === null) throw new Error("It must be LOCAL:HOST:REMOTE or LOCAL:unix:/path, such as 5432:database:5432.");
  const port = parseListenPort(local);
  if (!remote.startsWith("unix:")) return { port, to: { kind: "host", address: parseHostPort(remote) } };
  const path = remote.slice("unix:".length);
  if (!path.startsWith("/")) throw new Error("A unix socket is named by its whole path in the target, such as unix:/run/app.sock.");
  return { port, to: { kind: "unix", path } };
}
