// Memory of an agent that has nothing to do, with sessions that are merely open.

import { setTimeout as sleep } from "node:timers/promises";
import type { Work } from "../work.ts";

/** Sessions are opened in groups of this size. */
const AT_ONCE = 50;
const REST_MS = 1000;

const idle = (sessions: number): Work => ({
  name: `memory/idle-${sessions}`,
  about: `resident memory with ${sessions} idle sessions`,
  measure: async ({ session, tree }) => {
    for (let opened = 0; opened < sessions; opened += AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, sessions - opened) }, session));
    }
    await sleep(REST_MS);
    return [
      { what: `resident memory, ${sessions} idle sessions`, unit: "MiB", better: "lower", value: await tree.total("residentMiB") },
      { what: "shared pages divided", unit: "MiB", better: "lower", value: await tree.total("proportionalMiB") },
    ];
  },
});

export const memory: readonly Work[] = [idle(0), idle(100), idle(1000)];
