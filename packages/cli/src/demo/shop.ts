// The shop of the demo: a small HTTP service without anything special, as its authors would have written it.

import { createServer, type Server, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { ANSWERED_BY, type ShopConfig } from "./shopSettings.ts";

interface Product {
  readonly id: number;
  readonly name: string;
  readonly price: number;
}

const products: readonly Product[] = [
  { id: 1, name: "tea", price: 4.5 },
  { id: 2, name: "coffee", price: 9 },
  { id: 3, name: "cocoa", price: 6.25 },
];

/** `GET /products`, `GET /products/:id`, and `POST /cart` with a product and a quantity. */
export function createShop({ name, maxQuantity }: ShopConfig, currency: string): Server {
  const show = ({ id, name: product, price }: Product) => ({ id, name: product, price: `${price.toFixed(2)} ${currency}` });
  return createServer((request, response) => {
    const { method, url = "" } = request;
    if (method === "GET" && url === "/products") return answer(response, 200, { shop: name, products: products.map(show) });
    if (method === "GET" && url.startsWith("/products/")) {
      const product = products.find(({ id }) => url === `/products/${id}`);
      return product === undefined ? answer(response, 404, { error: "no such product" }) : answer(response, 200, show(product));
    }
    if (method === "POST" && url === "/cart") {
      json(request).then(
        (order) => answer(response, 201, cart(order as { product?: unknown; quantity?: unknown }, maxQuantity)),
        () => answer(response, 400, { error: "no JSON" }),
      );
      return;
    }
    answer(response, 404, { error: "not found" });
  });
}

function cart({ product, quantity }: { readonly product?: unknown; readonly quantity?: unknown }, maxQuantity: number): object {
  return { product, quantity: Math.min(Number(quantity), maxQuantity), status: "in the cart" };
}

function answer(response: ServerResponse, status: number, body: object): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length, [ANSWERED_BY]: "the shop" });
  response.end(bytes);
}
