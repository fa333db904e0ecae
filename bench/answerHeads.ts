// The least that a server of HTTP/1 can do, so that figures are those of what lies before it: it looks for the ends of heads alone.

import type { Socket } from "node:net";

/** Writes `answer` once for each head that comes. Bodies are not known. */
export function answerHeads(socket: Socket, answer: string): void {
  let rest = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    const heads = (rest + text).split("\r\n\r\n");
    rest = heads.pop() ?? "";
    if (heads.length > 0) socket.write(answer.repeat(heads.length));
  });
}
