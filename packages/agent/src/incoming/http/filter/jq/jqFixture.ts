// Engines for tests, and the reason to skip tests where jq or its tools are missing.

import { createLog } from "../../../../log/log.ts";
import { errorsOnly } from "../../../../log/filter.ts";
import { Metrics } from "../../../../metrics/metrics.ts";
import { createJqEngine, type JqEngine, type JqEngineOptions, type JqProgram } from "./jqEngine.ts";
import { defaultSearchPath, findJqTools } from "./jqTools.ts";

/** False where the tests can run, or must. */
export async function skipWithoutJq(): Promise<string | false> {
  if (process.env["CI"] !== undefined) return false;
  try {
    await findJqTools(defaultSearchPath());
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : "no jq";
  }
}

export interface TestEngine extends AsyncDisposable {
  readonly engine: JqEngine;
  readonly metrics: Metrics;
  /** What clients were told. */
  readonly problems: string[];
  compile(program: string): Promise<JqProgram>;
}

export function testEngine(options: Partial<JqEngineOptions> = {}): TestEngine {
  const metrics = new Metrics();
  const log = createLog({ filter: errorsOnly, format: () => "", sink: { write: () => undefined, onDropped: null } });
  // Generous, for machines that do other things as well.
  const engine = createJqEngine({ timeLimitMs: 1_000, metrics, log, ...options });
  const problems: string[] = [];
  return {
    engine,
    metrics,
    problems,
    compile: (program) => engine.compile(program, { onProblem: (text) => problems.push(text) }),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      log[Symbol.dispose]();
    },
  };
}
