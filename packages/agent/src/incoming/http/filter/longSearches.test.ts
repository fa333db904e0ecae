// Long searches side by side: fairness, bounds, and the event loop meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LongSearches, type Sliced } from "./longSearches.ts";

/** Takes so many slices. */
function lasting(slices: number, answer = true, onSlice: () => void = () => undefined): Sliced {
  let left = slices;
  return {
    run: () => {
      onSlice();
      return --left > 0 ? null : answer;
    },
  };
}

test("searches are served in turns, filter by filter", async () => {
  const searches = new LongSearches();
  const busy = {};
  const order: string[] = [];
  const search = (filter: object, name: string): Promise<void> =>
    searches
      .search(
        filter,
        () => lasting(2),
        () => order.push(name),
      )!
      .then((answer) => assert.ok(answer));
  await Promise.all([search(busy, "busy 1"), search(busy, "busy 2"), search(busy, "busy 3"), search({}, "other 1"), search({}, "other 2")]);
  assert.deepEqual(order, ["busy 1", "busy 2", "other 1", "other 2", "busy 3"]);
});

test("one slice is made in a turn of the event loop, however many searches wait", async () => {
  const searches = new LongSearches();
  let slices = 0;
  let most = 0;
  let isOver = false;
  const search = (): Promise<boolean> => {
    return (
      searches.search(
        {},
        () => lasting(5, false, () => slices++),
        () => undefined,
      ) ?? Promise.reject(new Error("no room"))
    );
  };
  const check = (): void => {
    most = Math.max(most, slices);
    slices = 0;
    if (!isOver) setImmediate(check);
  };
  setImmediate(check);
  await Promise.all(Array.from({ length: 20 }, search));
  isOver = true;
  assert.equal(most, 1);
});

test("what finds no room is refused, and room is found again later", async () => {
  const searches = new LongSearches();
  const filter = {};
  const search = (which: object): Promise<boolean> | null =>
    searches.search(
      which,
      () => lasting(1),
      () => undefined,
    );
  const own = Array.from({ length: 30 }, () => search(filter));
  assert.equal(own.filter((one) => one === null).length, 13, "16 wait and one is under way");
  const others = Array.from({ length: 400 }, () => search({}));
  assert.ok(others.some((one) => one === null));
  await Promise.all([...own, ...others]);
  assert.equal(await search(filter), true);
});
