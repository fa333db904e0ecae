// Where to listen on this machine, as a user types it.

import { type HostPort, parseHostPort, parsePort } from "../hostPort.ts";

/** 0 is any port that is free. @throws Error that says what is wrong. */
export function parseListenPort(text: string): number {
  return text === "0" ? 0 : parsePort(text);
}

/** A port 0 is any that is free. @throws Error that says what is wrong. */
export function parseListenAddress(text: string): HostPort {
  if (!text.endsWith(":0")) return parseHostPort(text);
  return { ...parseHostPort(text.replace(/:0$/, ":1")), port: 0 };
}
