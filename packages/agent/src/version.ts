/** What the agent reports as its version: the reference release whose behaviour and command line it follows. Clients compare it with their own. */
export const AGENT_VERSION = "3.250.0";
