// The filter that looks into a JSON body: a query selects nodes, and a pattern must match the text of one of them.

import type { CompiledFilter, FilterMeans } from "../compiledFilter.ts";
import type { FilterInput } from "../filterInput.ts";
import { type FilterSeconds, timed } from "../filterTime.ts";
import { FilterText } from "../filterText.ts";
import { OnceEach } from "../onceEach.ts";
import { StepAllowance } from "../stepAllowance.ts";
import type { TextPattern } from "../textPattern.ts";
import type { JsonBodies, JsonBody } from "./jsonBodies.ts";
import { JsonPath } from "./jsonPath.ts";
import { type JsonValue, nodeText } from "./jsonValue.ts";
import { OutOfSteps, StepBudget } from "./stepBudget.ts";
import { TextTests } from "./textTests.ts";

/** Most steps of evaluating a query on one body, a few milliseconds at worst. */
const MAX_STEPS = 150_000;

export class BodyFilter implements CompiledFilter {
  readonly needsBody = true;
  readonly #path: JsonPath;
  readonly #pattern: TextPattern;
  readonly #bodies: JsonBodies;
  readonly #allowance: StepAllowance;
  readonly #problems: OnceEach;
  readonly #seconds: FilterSeconds;

  /** @throws FilterError */
  constructor({ query }: { readonly query: string }, pattern: TextPattern, { services, onProblem }: FilterMeans) {
    this.#path = new JsonPath(query, new TextTests());
    this.#pattern = pattern;
    this.#bodies = services.bodies;
    this.#seconds = services.seconds;
    this.#problems = new OnceEach(onProblem);
    this.#allowance = new StepAllowance(() => {
      this.#problems.tell(
        "the filter's JSONPath query takes too much time: it is left out for a while now and then, and does not match meanwhile",
      );
    });
  }

  matches(request: FilterInput): boolean | Promise<boolean> {
    if (request.body === null || !this.#allowance.mayRun) return false;
    return timed(this.#seconds, "body", () => this.#look(request));
  }

  [Symbol.dispose](): void {}

  #look(request: FilterInput): boolean | Promise<boolean> {
    const body = this.#bodies.read(request);
    return body instanceof Promise ? body.then((read) => this.#search(read)) : this.#search(body);
  }

  #search(body: JsonBody): boolean | Promise<boolean> {
    if (body === null) return false;
    const budget = new StepBudget(MAX_STEPS);
    const slow: string[] = [];
    this.#pattern.regex.startOver();
    try {
      return this.#path.select(body.value, budget, (node) => this.#looksLike(node, budget, slow)) || this.#pattern.searchAny(slow);
    } catch (error) {
      if (!(error instanceof OutOfSteps)) throw error;
      this.#problems.tell("the filter's JSONPath query has too much to look at in some body, which does not match then");
      return false;
    } finally {
      this.#allowance.spend(budget.spent);
    }
  }

  /** Whether the node's text matches, as far as that is seen at once; other texts are added to `slow`. */
  #looksLike(node: JsonValue, budget: StepBudget, slow: string[]): boolean {
    const { regex } = this.#pattern;
    const text = new FilterText(nodeText(node, () => budget.spend(1)));
    budget.spend(1 + text.text.length / 32);
    const answer = regex.test(text);
    if (answer !== null) return answer;
    // What is kept costs more than what is looked at.
    budget.spend(text.text.length / 4);
    slow.push(text.text);
    return false;
  }
}
