// The scripts that shells load, files of the folder `completions`. What there is to complete is known in `completeWords.ts` alone.

import { readFile } from "node:fs/promises";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export async function completionScript(shell: Shell): Promise<string> {
  return await readFile(new URL(`../../completions/understudy.${shell}`, import.meta.url), "utf8");
}
