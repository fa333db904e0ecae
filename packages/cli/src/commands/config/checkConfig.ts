// `understudy config check`: reads the config file as the other commands do, and does nothing else with it.

import { nextConfigFile, readConfig } from "../../config/configFile.ts";
import { interruptible } from "../../agent/interruptible.ts";
import { EXIT_INTERRUPTED } from "../../exitCodes.ts";
import { type Output, printable } from "../../output.ts";
import { UsageError } from "../../usageError.ts";

export interface CheckConfigOptions {
  readonly file: string | undefined;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function checkConfig({ file, json }: CheckConfigOptions, output: Output): Promise<number> {
  return await interruptible(output, EXIT_INTERRUPTED, async () => {
    const found = file ?? (await nextConfigFile(process.cwd()));
    if (found === null) throw new UsageError("there is no understudy.yaml here or in a directory above");
    const config = await readConfig(found);
    await output.line(json ? JSON.stringify(config) : `${printable(found)}: ${output.style("green", "ok")}`);
    return 0;
  });
}
