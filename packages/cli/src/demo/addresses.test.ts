import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { freeBlock, networkRange, type Range } from "./addresses.ts";

const ranges = (...networks: readonly string[]): Range[] => networks.flatMap((network) => networkRange(network) ?? []);
const TEN = 10 * 2 ** 24;

suite("addresses of the demo's pod", () => {
  test("routes are read as ranges, and ways to everywhere are none", () => {
    assert.deepEqual(networkRange("10.1.2.0/24"), { first: TEN + 0x010200, last: TEN + 0x0102ff });
    assert.deepEqual(networkRange("10.1.2.3"), { first: TEN + 0x010203, last: TEN + 0x010203 });
    assert.deepEqual(networkRange("10/8"), { first: TEN, last: TEN + 0xffffff });
    for (const everywhere of ["default", "0.0.0.0/0", "128.0.0.0/1"]) assert.equal(networkRange(everywhere), null);
  });

  test("a block that overlaps a route is not taken, whichever contains the other", () => {
    const choices = [0, 1, 2, 3];
    const random = (): number => choices.shift() ?? 0;
    assert.equal(freeBlock(ranges("10.0.0.4", "10.0.0.8/29", "10.0.0.23/32"), random), TEN + 24);
  });

  test("a network that is routed as a whole is left for the next", () => {
    const taken = ranges("10.0.0.0/8", "172.16.0.0/12");
    assert.equal(
      freeBlock(taken, () => 0),
      192 * 2 ** 24 + 168 * 2 ** 16,
    );
  });

  test("a machine with routes for all of them gets an error that names them", () => {
    const taken = ranges("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15");
    assert.throws(() => freeBlock(taken), /routes for all of 10\.0\.0\.0\/8, .*198\.18\.0\.0\/15/);
  });
});
