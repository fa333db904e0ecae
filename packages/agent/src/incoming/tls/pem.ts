// Certificates and keys in PEM files. Only the frames are read here; what is in them is OpenSSL's to judge.

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n[A-Za-z0-9+/=\s:,-]*?-----END \1-----/g;
const KEY_LABELS = new Set(["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]);

/** All certificates of a file, in order; other items are left out. Empty when there are none. */
export function certificatesOf(pem: Uint8Array): readonly string[] {
  return blocks(pem).flatMap(({ label, text }) => (label === "CERTIFICATE" ? [text] : []));
}

/**
 * The one key of a file: PKCS#1, PKCS#8 or SEC1, not encrypted.
 * @throws Error that does not quote the file.
 */
export function keyOf(pem: Uint8Array): string {
  const keys = blocks(pem).filter(({ label }) => KEY_LABELS.has(label));
  const [key] = keys;
  if (key === undefined) throw new Error("there is no private key in it that is not encrypted");
  if (keys.length > 1) throw new Error(`there are ${keys.length} private keys in it, where one is expected`);
  return key.text;
}

function blocks(pem: Uint8Array): readonly { readonly label: string; readonly text: string }[] {
  return Array.from(Buffer.from(pem).toString("latin1").matchAll(BLOCK), (found) => ({ label: found[1] ?? "", text: found[0] }));
}
