// A relay that knows no protocol: what any relay in Node costs at least that uses streams as they come. Its argument is where connections lead; prints its own port.

import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

const to = Number(process.argv[2]);
const server = createServer((socket) => {
  const peer = connect({ host: "127.0.0.1", port: to });
  socket.pipe(peer).pipe(socket);
  for (const [one, other] of [
    [socket, peer],
    [peer, socket],
  ] as const) {
    one.on("error", () => other.destroy()).on("close", () => other.destroy());
  }
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
console.log(`ready ${JSON.stringify({ port: (server.address() as AddressInfo).port })}`);
