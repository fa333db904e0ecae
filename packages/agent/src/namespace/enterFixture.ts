// Run by the test beside it: enters the namespace of the process given as argument and prints what came of it.

import { readlinkSync } from "node:fs";
import { enterNetworkNamespace } from "./enterNetworkNamespace.ts";
import { HeldProcess } from "./heldProcess.ts";

const before = readlinkSync("/proc/thread-self/ns/net");
let error: string | null = null;
try {
  using target = new HeldProcess(Number(process.argv[2]));
  enterNetworkNamespace(target);
} catch (thrown) {
  error = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
process.stdout.write(JSON.stringify({ before, after: readlinkSync("/proc/thread-self/ns/net"), error }));
