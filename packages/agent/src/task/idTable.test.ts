import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IdTable } from "./idTable.ts";

interface Named {
  readonly name: string;
}

test("a table gives what a Map gives, whatever is done in whatever order", () => {
  const id = fc.oneof(fc.nat(40), fc.constantFrom(2 ** 31 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER));
  const step = fc.record({ what: fc.constantFrom("set", "set", "delete", "get"), id });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new IdTable<Named>();
      const model = new Map<number, Named>();
      for (const [index, { what, id }] of steps.entries()) {
        if (what === "set") {
          const value = { name: `${index}` };
          table.set(id, value);
          model.set(id, value);
        } else if (what === "delete") assert.equal(table.delete(id), model.delete(id));
        assert.equal(table.get(id), model.get(id));
        assert.equal(table.size, model.size);
      }
      for (const [id, value] of model) assert.equal(table.get(id), value);
      assert.deepEqual(new Set(table.values()), new Set(model.values()));
    }),
    { numRuns: 500 },
  );
});

test("ids that only a bigint can hold name nothing", () => {
  const table = new IdTable<Named>();
  table.set(1, { name: "one" });
  assert.equal(table.get(2n ** 60n), undefined);
});

test("what is deleted while all values are gone through stays in the list, and gone from the table", () => {
  const table = new IdTable<{ readonly id: number }>();
  for (let id = 0; id < 100; id++) table.set(id, { id });
  for (const { id } of table.values()) assert.ok(table.delete(id));
  assert.equal(table.size, 0);
  assert.deepEqual(table.values(), []);
});
