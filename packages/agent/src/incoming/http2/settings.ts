// What the two sides of a connection tell each other about themselves (RFC 9113 §6.5).

import { ConnectionError, ErrorCode } from "./errors.ts";
import { DEFAULT_MAX_FRAME_BYTES, DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES, readUint32 } from "./frameTypes.ts";

export const SettingId = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const;

/** The other side's. Unknown ones are ignored, as they must be. */
export class RemoteSettings {
  maxConcurrentStreams = Infinity;
  initialWindowBytes = DEFAULT_WINDOW_BYTES;
  maxFrameBytes = DEFAULT_MAX_FRAME_BYTES;
  /** Null: it did not say. */
  maxHeaderListBytes: number | null = null;
  /** Takes CONNECT with a `:protocol` (RFC 8441). */
  hasConnectProtocol = false;

  /** @throws ConnectionError on values that are not allowed. Returns whether the size of the header table was among them. */
  apply(payload: Uint8Array): boolean {
    if (payload.length % 6 !== 0) throw new ConnectionError(ErrorCode.frameSizeError, "SETTINGS of a length that is no multiple of 6");
    let hasTableSize = false;
    for (let at = 0; at < payload.length; at += 6) {
      const id = payload[at]! * 256 + payload[at + 1]!;
      const value = readUint32(payload, at + 2);
      if (id === SettingId.headerTableSize) hasTableSize = true;
      else this.#set(id, value);
    }
    return hasTableSize;
  }

  #set(id: number, value: number): void {
    switch (id) {
      case SettingId.enablePush:
        if (value > 1) throw invalid("ENABLE_PUSH", value);
        return;
      case SettingId.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return;
      case SettingId.initialWindowSize:
        if (value > MAX_WINDOW_BYTES) throw new ConnectionError(ErrorCode.flowControlError, `SETTINGS_INITIAL_WINDOW_SIZE ${value}`);
        this.initialWindowBytes = value;
        return;
      case SettingId.maxFrameSize:
        if (value < DEFAULT_MAX_FRAME_BYTES || value >= 2 ** 24) throw invalid("MAX_FRAME_SIZE", value);
        this.maxFrameBytes = value;
        return;
      case SettingId.maxHeaderListSize:
        this.maxHeaderListBytes = value;
        return;
      case SettingId.enableConnectProtocol:
        if (value > 1) throw invalid("ENABLE_CONNECT_PROTOCOL", value);
        this.hasConnectProtocol = value === 1;
        return;
      default:
    }
  }
}

function invalid(name: string, value: number): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, `SETTINGS_${name} ${value}`);
}
