import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { readElfNeeds } from "./elf.ts";

test("a program's processor, loader and libraries are read from it", async () => {
  const needs = readElfNeeds(await readFile(process.execPath));
  assert.ok(needs);
  assert.equal(needs.architecture, { x64: "amd64", arm64: "arm64" }[process.arch as string]);
  assert.match(needs.loader ?? "", /^\/lib.*\/ld-linux-/);
  assert.ok(needs.libraries.includes("libc.so.6"));
  assert.ok(needs.libraries.includes("libstdc++.so.6"));
});

test("what is no program needs nothing", () => {
  assert.equal(readElfNeeds(Buffer.from("#!/bin/sh\n")), null);
  assert.equal(readElfNeeds(Buffer.alloc(100)), null);
});
