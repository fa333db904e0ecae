// A service of the demo's pod beside the shop: something the shop depends on and the outside cannot reach.

import { createServer, type Server } from "node:http";
import { ANSWERED_BY } from "./shopSettings.ts";

/** Answers everything with its state and the address of who asked. */
export function createPayments(): Server {
  return createServer((request, response) => {
    const body = JSON.stringify({ service: "payments", status: "open", caller: request.socket.remoteAddress });
    response.writeHead(200, { "content-type": "application/json", [ANSWERED_BY]: "payments" });
    response.end(body);
  });
}
