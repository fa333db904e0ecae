import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseStepName, stepNames } from "./stepNames.ts";
import { steps, stepsNamed } from "./steps/steps.ts";

suite("steps of the demo", () => {
  test("every name has its step, in the order of the tour", () => {
    assert.deepEqual(
      steps.map(({ name }) => name),
      [...stepNames],
    );
  });

  test("no name means all, others are sorted and shown once", () => {
    assert.deepEqual(stepsNamed([]), steps);
    assert.deepEqual(
      stepsNamed(["exec", "steal", "exec"]).map(({ name }) => name),
      ["steal", "exec"],
    );
  });

  test("a name is read as it is, and another gets the nearest or all", () => {
    assert.equal(parseStepName("forward"), "forward");
    assert.throws(() => parseStepName("forwrad"), /^Error: Did you mean forward\? The steps are steal, /);
    assert.throws(() => parseStepName("everything"), /^Error: The steps are steal, /);
  });
});
