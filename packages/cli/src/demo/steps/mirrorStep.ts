// Copies of what visitors send, while the shop answers them.

import { text } from "node:stream/consumers";
import { addedHeaders, expect } from "../expect.ts";
import { unlessAborted } from "../programs.ts";
import { SHOP_PORT } from "../shopSettings.ts";
import { coffee, order, see, SHOP } from "../visitors.ts";
import type { DemoStep } from "./step.ts";

const FILTER = "^/";

export const mirrorStep: DemoStep = {
  name: "mirror",
  title: "You mirror: the shop answers everybody, and your laptop gets copies",
  show: async (stage) => {
    const { session, before, narrator, signal } = stage;
    narrator.command(`mirror ${SHOP_PORT} --path '${FILTER}'`, stage.agent);
    const copies: string[] = [];
    const { promise: isComplete, resolve } = Promise.withResolvers<void>();
    await using _mirrored = await session.mirror(SHOP_PORT, {
      filter: { kind: "path", value: FILTER },
      onRequest: async ({ method, uri, body }) => {
        copies.push(`${method} ${uri} ${await text(body)}`.trimEnd());
        if (copies.length === 2) resolve();
      },
    });
    addedHeaders(await see(stage, coffee, SHOP), before);
    await see(stage, order, SHOP);
    await unlessAborted(isComplete, signal);
    for (const copy of copies) narrator.fact("copy", copy);
    for (const { method = "GET", path, body = "" } of [coffee, order]) {
      expect(copies.includes(`${method} ${path} ${body}`.trimEnd()), `a copy of ${method} ${path}, not ${copies.join(", ")}`);
    }
  },
};
