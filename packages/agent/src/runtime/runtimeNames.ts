// The container runtimes that can be asked, by the names that they have on the command line. Apart from what asks them, which the agent itself never loads.

const runtimeNames = ["containerd", "docker", "cri-o"] as const;

export type RuntimeName = (typeof runtimeNames)[number];

export function isKnownRuntime(name: string): name is RuntimeName {
  return runtimeNames.some((known) => known === name);
}
