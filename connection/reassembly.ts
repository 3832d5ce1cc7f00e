/**
 * The receiving half of long messages: pieces in, whole messages out.
 *
 * @module
 */

import { type Limits, type MessageOf, ProtocolError, SerializationError } from "../protocol/mod.ts";

/** A message of which a part has arrived. */
interface Unfinished {
  readonly total: number;
  /** Up to {@linkcode GENEROUS_BYTES} four times what has arrived at the most, else twice as much. */
  bytes: Uint8Array;
  received: number;
}

/** More transfers than this at once are an attack: a sender finishes short ones before it goes on with long ones. */
const MAXIMUM_TRANSFERS = 4096;

/** The header of a message is small; the value in it is what `valueBytes` is about. */
const HEADER_ROOM = 65536;

/** Up to this length the first piece already finds room for three more of its kind: a copy less. */
const GENEROUS_BYTES = 4 * 1024 * 1024;

/** Puts pieces together. Memory is spent on what arrived, never on what was announced. */
export class Reassembly {
  readonly #maximum: number;
  readonly #partials = new Map<number, Unfinished>();
  #held = 0;

  /** @param limits `valueBytes` bounds a message; all unfinished ones together may hold twice as much. */
  constructor(limits: Limits) {
    this.#maximum = limits.valueBytes + HEADER_ROOM;
  }

  /**
   * Takes a piece. Returns the message's bytes with the last one, else `undefined`.
   *
   * @throws {SerializationError} With code `PAYLOAD_TOO_LARGE`, for a message beyond the limit.
   * @throws {ProtocolError} For pieces that do not fit together.
   */
  accept({ transfer, remaining, part }: MessageOf<"piece">): Uint8Array | undefined {
    if (part.length === 0) throw new ProtocolError("Cannot receive a long message: a piece of it is empty");
    const partial = this.#partials.get(transfer) ?? this.#begin(transfer, part.length + remaining);
    const left = partial.total - partial.received - part.length;
    if (left !== remaining) {
      throw new ProtocolError(
        `Cannot receive a long message: its pieces leave ${left} bytes, but its sender says ${remaining}`,
      );
    }
    this.#held += part.length;
    if (this.#held > this.#maximum * 2) throw tooLarge(this.#held, this.#maximum * 2);
    if (remaining > 0) {
      append(partial, part);
      return undefined;
    }
    this.#partials.delete(transfer);
    this.#held -= partial.total;
    if (partial.received === 0) return part;
    append(partial, part);
    return partial.bytes;
  }

  /** Forgets all that is unfinished. */
  clear(): void {
    this.#partials.clear();
    this.#held = 0;
  }

  #begin(transfer: number, total: number): Unfinished {
    if (total > this.#maximum) throw tooLarge(total, this.#maximum);
    if (this.#partials.size >= MAXIMUM_TRANSFERS) {
      throw new ProtocolError(`Cannot receive a long message: ${MAXIMUM_TRANSFERS} others are unfinished`);
    }
    const partial = { total, bytes: new Uint8Array(0), received: 0 };
    this.#partials.set(transfer, partial);
    return partial;
  }
}

/** Copies, as a small view would keep its whole frame alive. The last piece finds an array of the very size. */
function append(partial: Unfinished, part: Uint8Array): void {
  const length = partial.received + part.length;
  if (length > partial.bytes.length) {
    const room = length * 4 <= GENEROUS_BYTES ? length * 4 : length * 2;
    const grown = new Uint8Array(Math.min(partial.total, room));
    grown.set(partial.bytes.subarray(0, partial.received));
    partial.bytes = grown;
  }
  partial.bytes.set(part, partial.received);
  partial.received = length;
}

function tooLarge(found: number, limit: number): SerializationError {
  return new SerializationError(`Cannot receive a message of ${found} bytes: the limit is ${limit}`, {
    code: "PAYLOAD_TOO_LARGE",
  });
}
