import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "./nearest.ts";

test("a mistyped word finds the one that was meant, and a strange one finds none", () => {
  const known = ["header", "path", "method", "namespace"];
  assert.equal(nearest("headr", known), "header");
  assert.equal(nearest("Path", known), "path");
  assert.equal(nearest("name_space", known), "namespace");
  assert.equal(nearest("replicas", known), undefined);
  assert.equal(nearest("x", []), undefined);
});
