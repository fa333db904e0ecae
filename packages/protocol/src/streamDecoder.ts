// Messages from a stream of bytes that arrives in pieces of any size. It never starts over: what was read of a message is kept as the
// beginning of its value, and every byte is looked at once. One exception to "messages arrive whole" is on purpose: the payloads
// named by `relays` are handed on as they come.

import type { Codec, Resumable } from "./codec.ts";
import { type DecodeLimits, defaultLimits } from "./limits.ts";
import { INCOMPLETE, Reader } from "./reader.ts";

/**
 * A message that only carries bytes of a byte stream, so that it may be cut in several at will. On the wire: `prefix`, then a u64
 * (which connection), then the bytes. Its payloads are views of the received bytes, good until the next `feed`.
 */
export interface Relay<T> {
  /** The numbers of the variants that lead to it. */
  readonly prefix: readonly number[];
  make(connectionId: number | bigint, bytes: Uint8Array): T;
}

export interface StreamDecoderOptions<T> extends Partial<DecodeLimits> {
  readonly relays?: readonly Relay<T>[];
}

export class StreamDecoder<T> {
  readonly #codec: Codec<T>;
  readonly #relays: readonly Relay<T>[];
  readonly #input: Reader;
  /** The message that has begun, when its bytes did not all arrive at once. */
  #begun: Resumable<T> | null = null;
  /** The payload that is being handed on. */
  #relayed: { readonly relay: Relay<T>; readonly connectionId: number | bigint; left: number } | null = null;
  #fedBytes = 0;
  #messageOffset = 0;
  #failure: Error | null = null;

  constructor(codec: Codec<T>, { relays = [], ...limits }: StreamDecoderOptions<T> = {}) {
    this.#codec = codec;
    this.#relays = relays;
    this.#input = new Reader(new Uint8Array(0), { ...defaultLimits, ...limits });
  }

  /** Position in the stream, in bytes, where the message being read, or the last one, began. */
  get messageOffset(): number {
    return this.#messageOffset;
  }

  /** Bytes of the stream read so far. */
  get position(): number {
    return this.#fedBytes - (this.#input.end - this.#input.pos);
  }

  /** True when the stream may not end here. */
  get isInsideMessage(): boolean {
    return this.#begun !== null || this.#relayed !== null;
  }

  /** Memory that the message being read has taken so far, by the measure of `maxMessageBytes`; 0 between messages. */
  get pendingBytes(): number {
    return this.#begun === null ? 0 : this.#input.messageCost;
  }

  /** True when all bytes fed so far have been read. */
  get isDrained(): boolean {
    return this.#input.pos === this.#input.end;
  }

  /**
   * The next bytes of the stream. Only after `next` returned undefined. They are not copied and must stay until it does so again.
   * @throws ProtocolError when earlier bytes were refused, the same as `next`.
   */
  feed(bytes: Uint8Array): void {
    if (this.#failure !== null) throw this.#failure;
    if (!this.isDrained) throw new Error("feed before the earlier bytes were read");
    this.#fedBytes += bytes.length;
    this.#input.continueWith(bytes);
  }

  /**
   * The next message, or undefined when more bytes are needed.
   * @throws ProtocolError when the bytes are refused; every later call throws the same.
   */
  next(): T | undefined {
    if (this.#failure !== null) throw this.#failure;
    try {
      return this.#next();
    } catch (error) {
      const failure = error instanceof Error ? error : new Error("the decoder failed", { cause: error });
      this.#failure = failure;
      // What was collected of the message is let go at once; the decoder may live on for as long as its connection takes to close.
      this.#begun = null;
      this.#relayed = null;
      throw failure;
    }
  }

  #next(): T | undefined {
    if (this.#relayed !== null) return this.#nextPiece();
    if (this.#begun !== null) return this.#resume(this.#begun);
    const input = this.#input;
    if (input.pos === input.end) return undefined;
    input.beginMessage();
    this.#messageOffset = this.#fedBytes - (input.end - input.pos);
    const start = input.pos;
    const relay = this.#relayAt(start);
    try {
      if (relay !== undefined) return this.#beginRelay(relay);
      return this.#codec.read(input);
    } catch (error) {
      if (error !== INCOMPLETE) throw error;
    }
    input.rewind(start, 0, 0);
    this.#begun = this.#codec.resume(input);
    return this.#resume(this.#begun);
  }

  #resume(begun: Resumable<T>): T | undefined {
    if (!this.#input.fillMore()) return undefined;
    const step = begun.next();
    if (step.done !== true) return undefined;
    this.#begun = null;
    return step.value;
  }

  #relayAt(start: number): Relay<T> | undefined {
    const { data, end } = this.#input;
    return this.#relays.find(({ prefix }) => end - start > prefix.length && prefix.every((byte, i) => data[start + i] === byte));
  }

  /** Reads up to the payload. A header that is not all there is left to the codec, which then collects the whole message. */
  #beginRelay(relay: Relay<T>): T | undefined {
    const input = this.#input;
    input.pos += relay.prefix.length;
    const connectionId = input.varint64("connection id");
    const length = input.checkLength(input.varint64("payload"), "payload");
    const available = Math.min(length, input.end - input.pos);
    if (available === length) return relay.make(connectionId, input.view(length));
    this.#relayed = { relay, connectionId, left: length };
    return this.#nextPiece();
  }

  #nextPiece(): T | undefined {
    const relayed = this.#relayed!;
    const input = this.#input;
    const available = Math.min(relayed.left, input.end - input.pos);
    // An empty payload would mean the end of the stream.
    if (available === 0) return undefined;
    relayed.left -= available;
    if (relayed.left === 0) this.#relayed = null;
    return relayed.relay.make(relayed.connectionId, input.view(available));
  }
}
