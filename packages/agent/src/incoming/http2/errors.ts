// What can go wrong in HTTP/2: with one stream, or with the whole connection (RFC 9113 §5.4), and the codes that say so to the other side.

export const ErrorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
} as const;

const NAMES: readonly string[] = Object.keys(ErrorCode);

/** For messages: the name where there is one. */
export function errorCodeText(code: number): string {
  return NAMES[code] ?? `code ${code}`;
}

/** The other side broke the protocol in a way after which nothing on the connection can be trusted. */
export class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Something is wrong with one message; the rest of the connection is sound. */
export class StreamError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
