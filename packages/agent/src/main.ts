// The agent's process: reads what it was told, runs one agent, and turns the outcome into an exit code. What a signal or an unexpected error
// means for the process is decided here.

import { argv, env, exit, stderr, stdout } from "node:process";
import { exitNow } from "@understudy/native";
import { parseCommandLine } from "./cli.ts";
import { tuneCompiler } from "./compiler.ts";
import { chooseFormat } from "./log/format.ts";
import { DescriptorSink } from "./log/lineSink.ts";
import { createLog } from "./log/log.ts";
import { reportBug } from "./log/reportBug.ts";
import { parseSettings } from "./settings.ts";
import { StartError } from "./startError.ts";
import { preparePool, ThreadPool } from "./task/threadPool.ts";

/** Time for everything to end once the agent stops, in ms; a call that hangs in a dead file system must not keep the process. */
const STOP_TIMEOUT_MS = 4500;

// Nothing has used the pool yet.
const threads = new ThreadPool({ threads: preparePool(env) });

async function main(): Promise<number> {
  const commandLine = parseCommandLine(argv.slice(2), env);
  if (commandLine.kind === "print") {
    (commandLine.stream === "stdout" ? stdout : stderr).write(commandLine.text);
    return commandLine.exitCode;
  }
  // Loaded only when it is needed, so that a question about the version is answered at once.
  const { runAgent } = await import("./agent.ts");
  const { settings, problems } = parseSettings(env);
  await using sink = new DescriptorSink(1);
  const format = chooseFormat({ isJson: settings.jsonLog, isTerminal: sink.isTerminal, env });
  using log = createLog({ filter: settings.logFilter, format, sink });
  for (const { variable, text } of problems) log.event("SETTING_INVALID", { variable, problem: text });

  const stop = new AbortController();
  const onStopping = (): void => {
    setTimeout(() => exitNow(1), STOP_TIMEOUT_MS).unref();
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    onStopping();
    stop.abort(`received ${signal}`);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  // A session's fault never gets here; what does is the agent's own, and the sessions that are not concerned go on.
  const onBug = (error: unknown): void => reportBug(log, error);
  process.on("uncaughtException", onBug);
  process.on("unhandledRejection", onBug);
  const onFirstClient = (): void => void tuneCompiler();
  try {
    return await runAgent({ options: commandLine.options, settings, log, sink, threads, stop: stop.signal, onFirstClient, onStopping });
  } catch (error) {
    if (!(error instanceof StartError)) onBug(error);
    return stop.signal.aborted ? 0 : 1;
  }
}

const exitCode = await main();
// The ordinary exit waits for the pool's threads.
if (threads.underWay > 0) exitNow(exitCode);
exit(exitCode);
