// Reads a response piece by piece. Unlike the iterator of streams it knows that an HTTP/2 stream which is closed can still have bytes to
// be read, and then an end.

import type { Readable } from "node:stream";

/** Owns the stream. Throws when it broke off before its end. */
export async function* readChunks(stream: Readable): AsyncGenerator<Buffer> {
  let wake = (): void => undefined;
  const onChange = (): void => wake();
  for (const event of ["readable", "end", "error", "close"]) stream.on(event, onChange);
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => (wake = resolve));
      const chunk = stream.read() as Buffer | null;
      if (chunk !== null) yield chunk;
      else if (stream.errored !== null) throw stream.errored;
      else if (stream.readableEnded) return;
      else if (stream.destroyed) throw new Error("it was broken off");
      else await changed;
    }
  } finally {
    stream.destroy();
  }
}
