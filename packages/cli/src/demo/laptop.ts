// The developer's side of the demo: the version of the shop that is being worked on, on "your laptop".

import { json } from "node:stream/consumers";
import { headersFromRaw, type IncomingRequest, type StolenResponse } from "@understudy/client";
import { ANSWERED_BY } from "./shopSettings.ts";

export const LAPTOP = "your laptop";

/** Answers stolen requests: coffee is on sale here, and the cart says more. */
export async function answerFromLaptop({ method, uri, body }: IncomingRequest): Promise<StolenResponse> {
  if (method === "POST" && uri === "/cart") {
    const order = (await json(body)) as object;
    return response(201, { ...order, status: "in the cart", debug: true });
  }
  if (method === "GET" && uri === "/products/2") return response(200, { id: 2, name: "coffee", price: "7.20 EUR", sale: true });
  return response(404, { error: "not written yet" });
}

function response(status: number, body: object): StolenResponse {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = headersFromRaw(["content-type", "application/json", "content-length", String(bytes.length), ANSWERED_BY, LAPTOP]);
  return { status, headers, body: bytes };
}
