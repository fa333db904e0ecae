// The demo's target, process 1 of its pod: a shop, its stock, and the payments service that only the pod can reach. It knows nothing of agents.
// Arguments: the ports of the shop and its stock, the address and port of payments. It ends when its standard input does.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { createServer } from "node:net";
import { createPayments } from "./payments.ts";
import { createShop } from "./shop.ts";
import { CONFIG_PATH, type ShopConfig } from "./shopSettings.ts";
import { answerStock } from "./stock.ts";

const [shopPort, stockPort, paymentsHost, paymentsPort] = process.argv.slice(2);
const config = JSON.parse(await readFile(CONFIG_PATH, "utf8")) as ShopConfig;
const shop = createShop(config, process.env["SHOP_CURRENCY"] ?? "?");
// A visitor who stays does not keep it from ending.
const stock = createServer((socket) => answerStock(socket.unref(), 12, "the shop"));
const payments = createPayments();

shop.listen(Number(shopPort));
await once(shop, "listening");
stock.listen(Number(stockPort));
await once(stock, "listening");
payments.listen(Number(paymentsPort), paymentsHost);
await once(payments, "listening");
process.stdout.write("shop listening\n");

process.stdin.resume();
await once(process.stdin, "end");
stop(shop);
stop(payments);
stock.close();

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}
