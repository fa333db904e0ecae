// The commands that look at recorded messages, each in a process of its own.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite, test } from "node:test";
import { finished, runCommand, startCommand } from "../../testing/runCommand.ts";

const vectors = fileURLToPath(new URL("../../../../protocol/testdata/vectors/", import.meta.url));

class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), "understudy-")));
  }

  async file(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.path, name);
    await writeFile(path, content);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

suite("understudy wire check", () => {
  test("passes the recorded messages", async () => {
    const result = await runCommand([
      "wire",
      "check",
      join(vectors, "control.jsonl"),
      join(vectors, "malformed.jsonl"),
      join(vectors, "hostile.jsonl"),
    ]);
    assert.match(result.stdout, /^\d+ passed, 0 failed\n$/);
    assert.deepEqual([result.code, result.stderr], [0, ""]);
  });

  test("names each failure with its file and line, and counts it", async () => {
    await using folder = await Folder.make();
    const lines = [
      '{"name":"good","type":"ClientMessage","value":"Ping","hex":"07"}',
      "",
      '{"name":"bad value","type":"ClientMessage","value":"Close","hex":"07"}',
      '{"name":"bad hex","type":"ClientMessage","value":"Ping","hex":"0"}',
      '{"name":"odd type","type":"NoSuchType","value":"Ping","hex":"07"}',
      '{"name":',
      "null",
      "[]",
      '{"name":"upper","type":"ClientMessage","hex":"ff","error":"malformed"}',
    ];
    const file = await folder.file("v.jsonl", lines.join("\n"));
    const empty = await folder.file("empty.jsonl", "");
    const result = await runCommand(["wire", "check", empty, file]);
    const printed = result.stdout.trimEnd().split("\n");
    assert.equal(result.code, 1);
    assert.equal(printed.pop(), "2 passed, 6 failed");
    assert.equal(printed[0], `${file}:3 bad value: decoded "Ping"`);
    assert.equal(printed[1], `${file}:4 bad hex: hex is not an even number of hexadecimal digits`);
    assert.equal(printed[2], `${file}:5 odd type: unknown type NoSuchType`);
    assert.ok(printed[3]?.startsWith(`${file}:6 not JSON: `), printed[3]);
    assert.ok(printed[4]?.startsWith(`${file}:7 not a vector: `), printed[4]);
    assert.ok(printed[5]?.startsWith(`${file}:8 not a vector: `), printed[5]);
  });

  test("an empty file has nothing to fail", async () => {
    await using folder = await Folder.make();
    assert.deepEqual(await runCommand(["wire", "check", await folder.file("e", "")]), {
      code: 0,
      stdout: "0 passed, 0 failed\n",
      stderr: "",
    });
  });

  test("a file that cannot be read, or none, is 2; the others are checked all the same", async () => {
    await using folder = await Folder.make();
    const good = await folder.file("v.jsonl", '{"name":"good","type":"ClientMessage","value":"Ping","hex":"07"}\n');
    const missing = await runCommand(["wire", "check", join(folder.path, "missing"), folder.path, good]);
    assert.deepEqual([missing.code, missing.stdout], [2, "1 passed, 0 failed\n"]);
    assert.match(missing.stderr, /cannot read .*missing: ENOENT.*\n.*EISDIR/);
    const none = await runCommand(["wire", "check"]);
    assert.deepEqual([none.code, none.stdout], [2, ""]);
    assert.match(none.stderr, /missing required argument 'file'/);
  });
});

suite("understudy wire decode", () => {
  // Ping, the announcement of 1.29.0, a close of descriptor 251.
  const stream = Buffer.from("070a06312e32392e300507fbfb00", "hex");
  const messages = ['"Ping"', '{"SwitchProtocolVersion":"1.29.0"}', '{"FileRequest":{"Close":{"fd":251}}}'];

  test("prints the messages of standard input or of a file", async () => {
    await using folder = await Folder.make();
    const file = await folder.file("r.bin", stream);
    const expected = { code: 0, stdout: `${messages.join("\n")}\n`, stderr: "" };
    assert.deepEqual(await runCommand(["wire", "decode", "--from", "client"], stream), expected);
    assert.deepEqual(await runCommand(["wire", "decode", "-", "--from=client"], stream), expected);
    assert.deepEqual(await runCommand(["wire", "decode", file, "--from", "client"]), expected);
    assert.deepEqual(await runCommand(["wire", "decode", "--from", "agent"]), { code: 0, stdout: "", stderr: "" });
  });

  test("with the offset of each", async () => {
    const result = await runCommand(["wire", "decode", "--from", "client", "--offsets"], stream);
    const expected = messages.map((message, i) => `{"offset":${[0, 1, 9][i]},"message":${message}}`);
    assert.equal(result.stdout, `${expected.join("\n")}\n`);
  });

  test("payloads are printed whole, however they arrive", async () => {
    const payload = Buffer.alloc(200_000, 0xab);
    const child = startCommand("wire", "decode", "--from", "agent");
    // A read of 200,000 bytes on outgoing connection 0.
    const message = Buffer.concat([Buffer.from([3, 1, 0, 0, 252, 0x40, 0x0d, 0x03, 0x00]), payload]);
    child.stdin.write(message.subarray(0, 70_000));
    setImmediate(() => child.stdin.end(message.subarray(70_000)));
    const result = await finished(child);
    assert.equal(result.stdout, `{"TcpOutgoing":{"Read":{"Ok":{"connection_id":0,"bytes":{"$hex":"${payload.toString("hex")}"}}}}}\n`);
  });

  test("says where bytes stop being messages", async () => {
    const result = await runCommand(["wire", "decode", "--from", "client"], Buffer.concat([stream, Buffer.from([99])]));
    assert.deepEqual([result.code, result.stdout], [1, `${messages.join("\n")}\n`]);
    assert.match(result.stderr, /the bytes from 14 on are no message of a client: ClientMessage: variant 99/);
  });

  test("says where the message begins that the stream ends in", async () => {
    const result = await runCommand(["wire", "decode", "--from", "client"], stream.subarray(0, 13));
    assert.equal(result.code, 1);
    assert.match(result.stderr, /ends inside the message that begins at byte 9\n$/);
  });

  test("a reader that leaves early is no failure", async () => {
    const child = startCommand("wire", "decode", "--from", "client");
    child.stdin.on("error", () => undefined);
    child.stdout.once("data", () => child.stdout.destroy());
    child.stdin.write(Buffer.alloc(1_000_000, 7));
    child.stdin.end();
    const stderr: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    const code = await new Promise((resolve) => child.once("exit", resolve));
    assert.deepEqual([code, Buffer.concat(stderr).toString()], [0, ""]);
  });

  test("wrong arguments are 2", async () => {
    for (const args of [
      ["wire", "decode"],
      ["wire", "decode", "--from", "nobody"],
      ["wire", "decode", "--from", "client", "/missing/file"],
      ["wire"],
      [],
      ["nonsense"],
      ["wire", "decode", "--nonsense"],
    ]) {
      const result = await runCommand(args);
      assert.deepEqual([result.code, result.stdout], [2, ""], args.join(" "));
      assert.notEqual(result.stderr, "");
    }
  });

  test("help and version are no failure", async () => {
    const help = await runCommand(["wire", "decode", "--help"]);
    assert.deepEqual([help.code, help.stderr], [0, ""]);
    assert.match(help.stdout, /Exit codes:\n {2}0 /);
    assert.match((await runCommand(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  });
});
