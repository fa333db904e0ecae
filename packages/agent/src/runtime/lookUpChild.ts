// The process that looks the target's container up: what it needs for that is in its memory, not in the agent's. It answers each line of standard input with
// one line of JSON, a `ContainerFinding`, and ends with its input, thus with the agent at the latest.

import { argv, exit, stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { findContainer } from "./findContainer.ts";

const [containerId = "", runtime = "", hostRoot = ""] = argv.slice(2);
const lines = createInterface({ input: stdin });
// Also in the middle of a question.
lines.on("close", () => exit(0));
lines.on("line", () => {
  void findContainer({ containerId, runtime, hostRoot }).then((finding) => stdout.write(`${JSON.stringify(finding)}\n`));
});
