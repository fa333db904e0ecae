// Why bytes were refused. The error is final for the connection they came from: the wire has no framing to resynchronise on.

/**
 * - `malformed`: no continuation can make the bytes a valid message.
 * - `limit`: the message could be valid, but is larger, deeper or longer than this receiver allows.
 */
export type ProtocolErrorCode = "malformed" | "limit";

/** Bytes that this decoder refuses. Its message names the thing, the value found and the limit. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A value that has no form on the wire, such as a port of 70000. A fault of the sender's code. */
export class EncodeError extends Error {
  override readonly name = "EncodeError";
}
