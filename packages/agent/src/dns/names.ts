// Host names as clients write them: which are acceptable, and which names are asked for in turn on account of the
// search list. Clients may send anything, so nothing goes to a server that did not pass here.

import { domainToASCII } from "node:url";
import { lookupMessage } from "./lookupError.ts";
import type { ResolvConf } from "./resolvConf.ts";

/** A name that may be asked for. */
export interface HostName {
  /** ASCII, case as given, without trailing dot, at least one label. */
  readonly text: string;
  /** It had a trailing dot: the search list does not apply. */
  readonly isAbsolute: boolean;
}

const nameBytesMax = 253;
const labelBytesMax = 63;
const plainLabel = /^(?:\*|[A-Za-z0-9_-]+)$/;

/**
 * Checks a name from a client, and turns labels that are not ASCII into their "xn--" form. The empty name is the
 * caller's to handle.
 * @throws RemoteError of kind `message` where the name cannot be asked for.
 */
export function parseHostName(node: string): HostName {
  // A UTF-16 unit never takes less than a byte, so this bounds the work before any is done.
  if (node.length > nameBytesMax + 1) throw rejected(`name of ${node.length} characters exceeds ${nameBytesMax}`);
  const isAbsolute = node.endsWith(".");
  const text = (isAbsolute ? node.slice(0, -1) : node).split(".").map(parseLabel).join(".");
  if (text.length > nameBytesMax) throw rejected(`name of ${text.length} bytes exceeds ${nameBytesMax}`);
  return { text, isAbsolute };
}

function parseLabel(label: string): string {
  const ascii = plainLabel.test(label) ? label : asciiLabel(label);
  if (ascii.length > labelBytesMax) throw rejected(`label of ${ascii.length} bytes exceeds ${labelBytesMax}`);
  return ascii;
}

function asciiLabel(label: string): string {
  if (label === "") throw rejected("empty label");
  const ascii = /[^\0-\x7f]/.test(label) ? domainToASCII(label) : "";
  if (!plainLabel.test(ascii)) throw rejected("label with a character that names cannot have");
  return ascii;
}

function rejected(why: string): Error {
  return lookupMessage(`node name rejected: ${why}`);
}

/** True for "localhost" and the names under it, which no server is asked for. Source: RFC 6761 section 6.3. */
export function isLocalhostName(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === "localhost" || lower.endsWith(".localhost");
}

/** The names to ask for, in order, until one has an address. Counts dots against `ndots` as glibc does. */
export function candidateNames(name: HostName, { search, ndots }: Pick<ResolvConf, "search" | "ndots">): string[] {
  if (name.isAbsolute || isLocalhostName(name.text)) return [name.text];
  const searched = search.map((domain) => `${name.text}.${domain}`).filter((each) => each.length <= nameBytesMax);
  const dots = name.text.split(".").length - 1;
  return dots >= ndots ? [name.text, ...searched] : [...searched, name.text];
}
