// What both sides of the demo's pod know of the shop in it.

/** The target's port, as its visitors see it. */
export const SHOP_PORT = 80;
/** Of the service that does not speak HTTP, which visitors can reach, too. */
export const STOCK_PORT = 7000;
/** Of the service that only the pod can reach. */
export const PAYMENTS_PORT = 8080;

/** Who answered is said in this header. */
export const ANSWERED_BY = "x-answered-by";

/** The target's configuration file. */
export interface ShopConfig {
  readonly name: string;
  readonly maxQuantity: number;
}

export const CONFIG_PATH = "/etc/shop/config.json";
