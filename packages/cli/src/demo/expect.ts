// How a step checks what it promises.

import type { Answer } from "./visit.ts";

/** @throws Error unless what a step promises is so. */
export function expect(isSo: boolean, expected: string): asserts isSo {
  if (!isSo) throw new Error(`the demo expected ${expected}`);
}

/** @throws Error when status, headers or body differ. */
export function expectSame(answer: Answer, before: Answer): void {
  const [now, then] = [answer, before].map((one) => JSON.stringify(one));
  expect(now === then, `the same answer as before, ${then}, not ${now}`);
}

/**
 * What an answer has beside all that the earlier one had: while requests of a port are looked at, an agent may add a header for caches.
 * @throws Error when anything else differs.
 */
export function addedHeaders(answer: Answer, before: Answer): readonly string[] {
  const at = answer.rawHeaders.indexOf("cache-control");
  const cacheHeader = at === -1 ? [] : answer.rawHeaders.slice(at, at + 2);
  expectSame({ ...answer, rawHeaders: answer.rawHeaders.toSpliced(at, cacheHeader.length) }, before);
  return cacheHeader.length === 0 ? [] : [cacheHeader.join(": ")];
}
