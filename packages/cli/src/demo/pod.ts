// A pod in small: network, process and mount namespaces that only its processes hold, joined to this machine by a veth pair. Nothing of it
// has a name that outlives them and its files are in memory, so when its process 1 ends, the kernel removes everything: the other processes,
// the namespaces, the cable, the files. Process 1 ends when its standard input does, hence also when this process is killed.

import { extname, join } from "node:path";
import { searchPath } from "../searchPath.ts";
import { freeAddresses, type PodAddresses } from "./addresses.ts";
import { Program, run } from "./programs.ts";
import { PAYMENTS_PORT, SHOP_PORT, type ShopConfig, STOCK_PORT } from "./shopSettings.ts";

/** Not the agent's: the kernel's rules tell the agent's own traffic by its group. */
const TARGET_GROUP = 1000;
const AGENT_GROUP = 3000;

/** The environment of every program in the pod. */
const common = { PATH: searchPath, HOSTNAME: `shop-${process.pid}` };

/** What the target reads at `/etc/shop/config.json`. */
const config: ShopConfig = { name: "Corner Shop", maxQuantity: 12 };

/**
 * Runs as the pod's process 1: gives the pod an /etc of its own, waits until its network is there, becomes the target. The loader's cache is
 * kept, since libraries may be in unusual places.
 */
const prepare = `
set -e
if [ -r /etc/ld.so.cache ]; then exec 3</etc/ld.so.cache; else exec 3</dev/null; fi
mount -t tmpfs -o mode=755 shop-etc /etc
cat <&3 >/etc/ld.so.cache
exec 3<&-
mkdir /etc/shop
printf '%s\\n' "$1" >/etc/hosts
printf '%s\\n' "$2" >/etc/resolv.conf
printf '%s\\n' "$3" >/etc/shop/config.json
shift 3
echo "pod made"
read -r line
exec "$@"
`;

export class Pod implements AsyncDisposable {
  readonly addresses: PodAddresses;
  /** Whether the cable has IPv6 addresses, too. */
  readonly hasIpv6: boolean;
  readonly #first: Program;
  readonly #cable: string;
  readonly #programs: Program[] = [];

  private constructor(first: Program, parts: Pick<Pod, "addresses" | "hasIpv6">, cable: string) {
    this.addresses = parts.addresses;
    this.hasIpv6 = parts.hasIpv6;
    this.#first = first;
    this.#cable = cable;
  }

  /** Resolves when the target serves. Leaves nothing when it rejects. */
  static async make(signal: AbortSignal): Promise<Pod> {
    const addresses = await freeAddresses();
    signal.throwIfAborted();
    const environment = {
      ...common,
      SHOP_CURRENCY: "EUR",
      PAYMENTS_URL: `http://payments:${PAYMENTS_PORT}`,
      DATABASE_URL: `postgres://shop@${addresses.inside}:5432/orders`,
    };
    const cable = `us-demo-${process.pid}`;
    const first = await Program.start("the target", firstCommand(addresses), { env: environment, group: TARGET_GROUP });
    try {
      await first.line("pod made", signal);
      const hasIpv6 = await connect(first, addresses, cable);
      signal.throwIfAborted();
      const listening = first.line("shop listening", signal);
      first.send("start");
      await listening;
      return new Pod(first, { addresses, hasIpv6 }, cable);
    } catch (error) {
      await remove(first, cable);
      throw error;
    }
  }

  /** Starts a program beside the target, as an ephemeral container is: same network and processes, files and /proc of its own. It ends with the pod. */
  async start(name: string, command: readonly string[], environment: Readonly<Record<string, string>>): Promise<Program> {
    const namespaces = [`--net=${this.#namespace("net")}`, `--pid=${this.#namespace("pid_for_children")}`];
    const program = await Program.start(name, ["nsenter", ...namespaces, "--", "unshare", "--mount-proc", "--", ...command], {
      env: { ...common, ...environment },
      group: AGENT_GROUP,
    });
    this.#programs.push(program);
    return program;
  }

  /** The names of the tables of the pod's packet filter: where redirect rules would be. */
  async filterTables(): Promise<readonly string[]> {
    const listed = await run("nsenter", `--net=${this.#namespace("net")}`, "--", "nft", "list", "tables");
    return listed.split("\n").filter((line) => line !== "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await remove(this.#first, this.#cable);
    await Promise.all(this.#programs.map((program) => program.ended));
  }

  #namespace(kind: string): string {
    return `/proc/${this.#first.pid}/ns/${kind}`;
  }
}

function firstCommand({ pod, inside }: PodAddresses): readonly [string, ...string[]] {
  const hosts = ["127.0.0.1 localhost", "::1 localhost ip6-localhost", `${pod} shop`, `${inside} payments payments.shop.internal`];
  const resolvConf = ["search shop.internal", "nameserver 127.0.0.1", "options timeout:1 attempts:1"];
  const script = join(import.meta.dirname, `target${extname(import.meta.filename)}`);
  const target = [process.execPath, script, String(SHOP_PORT), String(STOCK_PORT), inside, String(PAYMENTS_PORT)];
  const files = [hosts.join("\n"), resolvConf.join("\n"), JSON.stringify(config)];
  const namespaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  return ["unshare", ...namespaces, "--", "sh", "-c", prepare, "pod", ...files, ...target];
}

/** Lays the cable. No default route: nothing that runs in the pod can reach further than this machine. Resolves to whether there is IPv6. */
async function connect(first: Program, addresses: PodAddresses, cable: string): Promise<boolean> {
  const { host, pod, inside, prefixLength, host6, pod6, prefixLength6 } = addresses;
  const inPod = (...command: readonly string[]): Promise<string> => run("nsenter", `--net=/proc/${first.pid}/ns/net`, "--", ...command);
  // In one step: the other end is in the pod from the beginning, and the cable ends with it.
  await run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", String(first.pid));
  await run("ip", "address", "add", `${host}/${prefixLength}`, "dev", cable);
  await run("ip", "link", "set", cable, "up");
  await inPod("ip", "link", "set", "lo", "up");
  await inPod("ip", "address", "add", `${inside}/32`, "dev", "lo");
  await inPod("ip", "address", "add", `${pod}/${prefixLength}`, "dev", "eth0");
  await inPod("ip", "link", "set", "eth0", "up");
  try {
    await run("ip", "-6", "address", "add", `${host6}/${prefixLength6}`, "dev", cable, "nodad");
    await inPod("ip", "-6", "address", "add", `${pod6}/${prefixLength6}`, "dev", "eth0", "nodad");
    return true;
  } catch {
    // A machine without IPv6; the demo does without.
    return false;
  }
}

/** Process 1 takes the others and its namespaces with it. The kernel removes the cable a little later, so that is not left to it. */
async function remove(first: Program, cable: string): Promise<void> {
  await first.end();
  await run("ip", "link", "delete", cable).catch(() => undefined);
}
