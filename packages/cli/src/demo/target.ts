// The demo's target, process 1 of its pod: a shop, and the payments service that only the pod can reach. It knows nothing of agents.
// Arguments: the shop's port, the address and port of payments. It ends when its standard input does.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { createPayments } from "./payments.ts";
import { createShop } from "./shop.ts";
import { CONFIG_PATH, type ShopConfig } from "./shopSettings.ts";

const [shopPort, paymentsHost, paymentsPort] = process.argv.slice(2);
const config = JSON.parse(await readFile(CONFIG_PATH, "utf8")) as ShopConfig;
const shop = createShop(config, process.env["SHOP_CURRENCY"] ?? "?");
const payments = createPayments();

shop.listen(Number(shopPort));
await once(shop, "listening");
payments.listen(Number(paymentsPort), paymentsHost);
await once(payments, "listening");
process.stdout.write("shop listening\n");

process.stdin.resume();
await once(process.stdin, "end");
stop(shop);
stop(payments);

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}
