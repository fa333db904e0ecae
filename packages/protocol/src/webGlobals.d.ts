// The two web-standard globals this package uses. Declared here so that it needs neither the DOM's nor Node's types,
// and an accidental use of anything else fails to compile.

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array): string;
}

declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}
