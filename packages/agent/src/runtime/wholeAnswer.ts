// Reads what a runtime answers to its end.

const ANSWER_MAX_BYTES = 16 * 1024 * 1024;

/** Specifications of containers have some ten KiB. @throws Error beyond 16 MiB, and the stream's error. */
export async function wholeAnswer(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > ANSWER_MAX_BYTES) throw new Error(`the answer has more than ${ANSWER_MAX_BYTES} bytes`);
  }
  return Buffer.concat(chunks);
}
