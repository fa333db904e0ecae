// The target's hosts file: names to addresses and back. Parses bytes; it does not read files nor notice changes
// (see `targetFile.ts`). Names compare without case, as hosts(5) readers do.

import { isIPv4 } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { canonicalIp } from "./ipText.ts";

/** Addresses of one name, in the order of the file. */
export interface HostsEntry {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** A parsed hosts file. Keys are lower-case names without trailing dot, and canonical addresses. */
export interface HostsFile {
  readonly addressesByName: ReadonlyMap<string, HostsEntry>;
  /** The first (canonical) name of the first line with that address. */
  readonly nameByAddress: ReadonlyMap<string, string>;
}

/** More addresses of one name are ignored, so that a strange file cannot make long answers. */
const addressesPerNameMax = 128;
/** Lines parsed in one turn of the event loop: about a millisecond of work. */
const linesPerTurn = 1000;

/** What a missing hosts file means. */
export const emptyHostsFile: HostsFile = { addressesByName: new Map(), nameByAddress: new Map() };

/** Parses a hosts file. Lines that make no sense are skipped. Long files are parsed in slices. */
export async function parseHostsFile(bytes: Uint8Array): Promise<HostsFile> {
  const text = new TextDecoder().decode(bytes);
  const addressesByName = new Map<string, { ipv4: string[]; ipv6: string[] }>();
  const nameByAddress = new Map<string, string>();

  let lines = 0;
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline === -1 ? text.length : newline;
    addLine(text.slice(start, end));
    start = end + 1;
    if (++lines % linesPerTurn === 0) await nextTurn();
  }
  return { addressesByName, nameByAddress };

  function addLine(line: string): void {
    const comment = line.indexOf("#");
    const fields = (comment === -1 ? line : line.slice(0, comment)).split(/\s+/).filter((field) => field !== "");
    const [address = "", ...names] = fields;
    const ip = canonicalIp(address);
    if (ip === null || names.length === 0) return;

    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, "");
      let entry = addressesByName.get(key);
      if (entry === undefined) addressesByName.set(key, (entry = { ipv4: [], ipv6: [] }));
      const addresses: string[] = isIPv4(ip) ? entry.ipv4 : entry.ipv6;
      if (addresses.length < addressesPerNameMax && !addresses.includes(ip)) addresses.push(ip);
    }
    if (!nameByAddress.has(ip)) nameByAddress.set(ip, (names[0] ?? "").replace(/\.$/, ""));
  }
}
