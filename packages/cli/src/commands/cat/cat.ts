// `understudy cat`: files of the target on standard output, no faster than it is read.

import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withSession } from "../../agent/withAgent.ts";
import type { Output } from "../../output.ts";
import { Failures } from "../../targetFiles/failures.ts";

export interface CatCommandOptions extends AgentOptions {
  readonly paths: readonly string[];
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function cat({ paths, json, ...agent }: CatCommandOptions, output: Output): Promise<number> {
  return await withSession(agent, output, async ({ files }) => {
    const failures = new Failures((text) => output.note(text));
    for (const path of paths) {
      try {
        let offset = 0;
        for await (const bytes of files.pieces(path)) {
          if (json) await output.line(JSON.stringify({ path, offset, base64: Buffer.from(bytes).toString("base64") }));
          else await output.bytes(bytes);
          offset += bytes.length;
          if (output.isReaderGone) return 0;
        }
      } catch (error) {
        failures.add(path, error);
      }
    }
    return failures.exitCode;
  });
}
