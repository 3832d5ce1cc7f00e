/**
 * A peer that stops reading, as a frozen process does: what it is sent arrives when it reads again.
 *
 * @module
 */

import type { Transport, TransportReceiver } from "../../connection/mod.ts";

/** A transport that can be told to deliver nothing. */
export class StoppedReader implements Transport {
  readonly #transport: Transport;
  #kept: Uint8Array[] | undefined;
  #receiver: TransportReceiver | undefined;

  /** Reads, for now. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get policy(): Transport["policy"] {
    return this.#transport.policy;
  }

  /** Reads nothing from now on. */
  stop(): void {
    this.#kept ??= [];
  }

  /** Reads what has come meanwhile, and goes on. */
  goOn(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const frame of kept) this.#receiver!.onFrame(frame);
  }

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#transport.start({
      onFrame: (frame) => {
        if (this.#kept) this.#kept.push(frame);
        else receiver.onFrame(frame);
      },
      onClose: (info) => receiver.onClose(info),
    });
  }

  send(frame: Uint8Array): void {
    this.#transport.send(frame);
  }

  close(code: number, reason: string): void {
    this.#transport.close(code, reason);
  }
}
