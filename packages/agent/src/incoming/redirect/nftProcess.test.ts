import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { NftGoneError, startNft } from "./nftProcess.ts";

const answer = "ct expression, datatype mark (packet mark) (basetype integer), 32 bits";

/** A program that stands in for nft; `body` is shell, run for each line that is no acknowledgement. */
async function standIn(body: string): Promise<AsyncDisposable & { path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "nft-"));
  const path = join(folder, "nft");
  const script = `#!/bin/sh
while read -r line; do
  case "$line" in
    "describe ct mark") echo "${answer}" ;;
    *) ${body} ;;
  esac
done`;
  await writeFile(path, script);
  await chmod(path, 0o700);
  return { path, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

const unexpected = (): void => assert.fail("the child ended");

test("a transaction is done when nothing was said about it, prompts aside", async () => {
  await using nft = await standIn(`printf 'nft> '`);
  await using child = await startNft({ path: nft.path, onGone: unexpected });
  assert.equal(await child.run(["add table inet a", "add table inet b"]), "");
  assert.equal(await child.run(["add table inet c"]), "");
  assert.equal(
    child.writtenBytes,
    2 * "\ndescribe ct mark\n".length + "add table inet a; add table inet b".length + "add table inet c".length,
  );
});

test("what is said belongs to its transaction, whichever output it came on", async () => {
  await using nft = await standIn(`echo "Error: $line" >&2`);
  await using child = await startNft({ path: nft.path, onGone: unexpected });
  assert.equal(await child.run(["first"]), "Error: first");
  assert.equal(await child.run(["second"]), "Error: second");
});

test("an endless complaint is kept within bounds", async () => {
  await using nft = await standIn("head -c 3000000 /dev/zero | tr '\\0' x; echo");
  await using child = await startNft({ path: nft.path, onGone: unexpected });
  const complaint = await child.run(["anything"]);
  assert.ok(complaint.startsWith("xxxx") && complaint.length < 200_000);
  assert.match(await child.run(["again"]), /^x/);
});

test("a child that dies in the middle rejects its transaction with its last words, and tells", async () => {
  await using nft = await standIn("echo goodbye; exit 1");
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  await using child = await startNft({ path: nft.path, onGone: resolve });
  await assert.rejects(child.run(["anything"]), { name: "NftGoneError", message: "nft has ended: goodbye" });
  await gone;
  await assert.rejects(child.run(["anything"]), NftGoneError);
});

test("disposing waits for the child's end and tells nobody", async () => {
  await using nft = await standIn(":");
  const child = await startNft({ path: nft.path, onGone: unexpected });
  await child.run(["anything"]);
  await Promise.all([child[Symbol.asyncDispose](), child[Symbol.asyncDispose]()]);
  assert.throws(() => process.kill(child.pid ?? 0, 0), { code: "ESRCH" });
});
