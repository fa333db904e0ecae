// `understudy wire decode`: prints a recorded byte stream as messages, as far as they are messages.

import { createReadStream } from "node:fs";
import { ClientMessage, type Codec, DaemonMessage, ProtocolError, StreamDecoder, toJson } from "@understudy/protocol";
import type { Output } from "../../output.ts";

/** Short messages are printed together: a write for each is most of the time otherwise. */
const LINES_AT_ONCE = 256;

export interface WireDecodeOptions {
  /** `-` for standard input. */
  readonly file: string;
  readonly from: "client" | "agent";
  /** Whether each message is printed with the offset of its first byte. */
  readonly offsets: boolean;
}

/** Resolves with the exit code. A reader of the output that stops early ends it with 0. */
export async function wireDecode({ file, from, offsets }: WireDecodeOptions, output: Output): Promise<number> {
  const codec: Codec<unknown> = from === "client" ? ClientMessage : DaemonMessage;
  const decoder = new StreamDecoder(codec);
  /** Decoded and not yet printed. */
  let lines: string[] = [];
  const flush = async (): Promise<void> => {
    const text = lines.join("\n");
    const isEmpty = lines.length === 0;
    lines = [];
    if (!isEmpty) await output.line(text);
  };
  const input: AsyncIterable<Buffer> = file === "-" ? process.stdin : createReadStream(file);
  try {
    for await (const chunk of input) {
      decoder.feed(chunk);
      for (let message = decoder.next(); message !== undefined; message = decoder.next()) {
        const json = toJson(codec, message);
        lines.push(JSON.stringify(offsets ? { offset: decoder.messageOffset, message: json } : json));
        if (lines.length < LINES_AT_ONCE) continue;
        await flush();
        if (output.isReaderGone) return 0;
      }
      await flush();
      if (output.isReaderGone) return 0;
    }
  } catch (error) {
    await flush();
    if (error instanceof ProtocolError) {
      output.note(`the bytes from ${decoder.messageOffset} on are no message of ${sender(from)}: ${error.message}`);
      return 1;
    }
    output.note(`cannot read ${file === "-" ? "standard input" : file}: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (!decoder.isInsideMessage) return 0;
  output.note(`the stream ends inside the message that begins at byte ${decoder.messageOffset}`);
  return 1;
}

function sender(from: WireDecodeOptions["from"]): string {
  return from === "client" ? "a client" : "an agent";
}
