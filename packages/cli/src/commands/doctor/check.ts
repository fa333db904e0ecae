// One thing that was tried, and how it went.

import { failureText } from "../../failureText.ts";

export interface Check {
  readonly name: string;
  /** `off`: not there, and not needed for what was asked. */
  readonly state: "ok" | "no" | "off";
  /** What was found, or why not. */
  readonly detail: string;
  /** What to do; null where nothing needs to be done. */
  readonly remedy: string | null;
}

/** Tries something that says what it found. Never rejects. */
export async function tried(name: string, remedy: string, attempt: () => Promise<string>): Promise<Check> {
  try {
    return { name, state: "ok", detail: await attempt(), remedy: null };
  } catch (error) {
    return { name, state: "no", detail: failureText(error), remedy };
  }
}
