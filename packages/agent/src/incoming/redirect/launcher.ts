// The launcher (bin/mirrord-agent), where it has stayed as the agent's parent to remove iptables rules after it.

import { endWithParent } from "@understudy/native";

/** What the agent tells its launcher. */
export interface Launcher {
  /** From now on there may be iptables rules of this agent. Called before they are made, any number of times. */
  rulesFollow(): void;
}

/** Takes the parent process to be the launcher, and ends (SIGTERM) when it does: nobody else would remove the rules. Call it on the main thread. */
export function joinLauncher(): Launcher {
  endWithParent("SIGTERM");
  const launcher = process.ppid;
  return {
    rulesFollow() {
      // It may have been killed: whoever has become the parent since knows nothing of this signal.
      if (process.ppid === launcher) process.kill(launcher, "SIGUSR1");
    },
  };
}
