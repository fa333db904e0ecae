// What one evaluation of a query may cost, counted in steps, so that the limit does not depend on how busy the machine is.

/** Counts what an evaluation costs. */
export class StepBudget {
  #left: number;
  readonly #all: number;

  constructor(steps: number) {
    this.#left = steps;
    this.#all = steps;
  }

  get spent(): number {
    return this.#all - this.#left;
  }

  /** @throws OutOfSteps */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new OutOfSteps();
  }
}

/** The evaluation costs too much. */
export class OutOfSteps extends Error {}
