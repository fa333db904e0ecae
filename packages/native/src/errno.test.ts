import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { EAGAIN, ENOENT, errnoName } from "./index.ts";

test("errnoName knows every number that Node knows, by the same name", () => {
  for (const [name, errno] of Object.entries(constants.errno)) {
    // Two names of one number each; the table has the first.
    const expected = { EWOULDBLOCK: "EAGAIN", ENOTSUP: "EOPNOTSUPP" }[name] ?? name;
    assert.equal(errnoName(errno), expected);
  }
  assert.equal(errnoName(133), "EHWPOISON");
  assert.equal(errnoName(ENOENT), "ENOENT");
  assert.equal(EAGAIN, constants.errno.EAGAIN);
});

test("errnoName has a text for numbers without a name", () => {
  assert.equal(errnoName(4095), "errno 4095");
});
