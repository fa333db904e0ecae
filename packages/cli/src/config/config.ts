// What a config file says, as `schema/understudy.schema.json` has it.

import type { AgentSection } from "../agent/agentSection.ts";

export interface Config {
  readonly agent?: AgentSection;
  readonly steal?: TrafficSection;
  readonly mirror?: TrafficSection;
  /** LOCAL:HOST:REMOTE or LOCAL:unix:/path, as of `understudy forward`. */
  readonly forward?: readonly string[];
}

/** What a command does with the target's traffic when it is given no ports; its keys are the command's options. */
export interface TrafficSection {
  /** PORT or PORT:LOCAL. */
  readonly ports: readonly (number | string)[];
  /** HOST, or HOST:PORT for one port. */
  readonly to?: string;
  readonly header?: string | readonly string[];
  readonly path?: string | readonly string[];
  readonly method?: string | readonly string[];
  readonly "any-of"?: boolean;
}
