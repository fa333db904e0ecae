// What the agent is told of the operator: one certificate, which is both all that the agent trusts and where the operator's name is found. Whether a peer is the
// operator is judged in the handshake, not here.

import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";

export interface OperatorIdentity {
  /** In PEM; nothing but the certificate. */
  readonly certificate: string;
  /** A host name or an IP address that the operator's certificate must be for. */
  readonly name: string;
}

const FIRST_BLOCK = /-----BEGIN ([^-\n]*)-----[^-]*-----END \1-----/;
/** The identifier of the extension subjectAltName, as it is encoded: 2.5.29.17. */
const ALTERNATIVE_NAMES_ID = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x11]);
/** One of the names as Node lists them: quoted where it holds a character that could mislead. */
const ALTERNATIVE_NAME = /([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g;
/** RFC 1123, with the underscore that clusters use. No wildcard: it is no name to ask for. */
const HOST_NAME = /^(?=.{1,253}$)(?:[\w-]{1,63}\.)*[\w-]{1,63}$/;

/**
 * Reads the first block of a text in PEM; what follows is ignored.
 *
 * @throws Error that says what is wrong, without quoting the text.
 */
export function readOperatorCertificate(pem: string): OperatorIdentity {
  const block = FIRST_BLOCK.exec(pem);
  if (block?.[1] !== "CERTIFICATE") throw new Error("it does not begin with a certificate in PEM");
  const parsed = parse(block[0]);
  const extensions = occurrences(parsed.raw, ALTERNATIVE_NAMES_ID);
  if (extensions !== 1) throw new Error(`the certificate has ${extensions} extensions with alternative names, where one is expected`);
  return { certificate: block[0], name: firstName(parsed.subjectAltName ?? "") };
}

function parse(certificate: string): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (error) {
    throw new Error("the certificate cannot be read", { cause: error });
  }
}

/** The first host name or address. What cannot be asked for, such as URIs and wildcards, is passed over. */
function firstName(alternativeNames: string): string {
  for (const [, kind, name = ""] of alternativeNames.matchAll(ALTERNATIVE_NAME)) {
    if (kind === "DNS" && HOST_NAME.test(name)) return name;
    if (kind === "IP Address" && isIP(name) !== 0) return name;
  }
  throw new Error("the certificate has no name of a host and no address");
}

function occurrences(bytes: Uint8Array, sought: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = buffer.indexOf(sought); at >= 0; at = buffer.indexOf(sought, at + sought.length)) count += 1;
  return count;
}
