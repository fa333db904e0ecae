// How soon the kernel notices that the other side of a TCP connection has vanished, without an end: its machine went down, or a firewall forgot the
// connection. Node sets when to ask first, not how often, nor for how long what was sent may stay unanswered. Source of the rules: tcp(7), socket(7).

import { systemCall } from "./systemCall.ts";

const setsockopt = systemCall("setsockopt", "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)");

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_USER_TIMEOUT = 18;

export interface VanishedPeerTimes {
  /** Silence after which the other side is asked whether it is there, in s. */
  readonly idleSeconds: number;
  /** Time between two such questions, in s. */
  readonly intervalSeconds: number;
  /** How long questions and data may stay without an answer, in ms: the connection ends then with ETIMEDOUT. */
  readonly unansweredMs: number;
}

/**
 * Lets a connection end when its other side has vanished. Where the kernel refuses one of the times its own stays: such a connection is noticed later.
 *
 * @param fd a connected TCP socket.
 */
export function endWhenPeerVanishes(fd: number, { idleSeconds, intervalSeconds, unansweredMs }: VanishedPeerTimes): void {
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idleSeconds);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, intervalSeconds);
  // Decides instead of the number of questions.
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, unansweredMs);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

function set(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  setsockopt.attempt(fd, level, name, bytes, bytes.length);
}
