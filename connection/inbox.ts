/**
 * What every transport does with what arrives, whatever carries it.
 *
 * @module
 */

import type { CloseInfo } from "../protocol/mod.ts";
import type { TransportReceiver } from "./transport.ts";

/**
 * Keeps frames until somebody listens, then passes them on in order, and tells the end once: the promises that
 * `Transport` makes about receiving.
 */
export class Inbox {
  #receiver: TransportReceiver | undefined;
  #kept: Uint8Array[] | undefined = [];
  #end: CloseInfo | undefined;
  #told = false;

  /** Whether an end has come, told or not: nothing can be sent any more. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** Starts the flow, right after the code that runs now: a receiver hears nothing before whoever made it has it. */
  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    queueMicrotask(() => this.#open());
  }

  /** Takes a frame of the peer. */
  frame(frame: Uint8Array): void {
    if (this.#end) return;
    if (this.#kept) this.#kept.push(frame);
    else this.#receiver!.onFrame(frame);
  }

  /** Takes the end; only the first counts. One that this side brings is told at once, before frames that are kept. */
  end(info: CloseInfo): void {
    if (this.#told || this.#end && !info.local) return;
    this.#end = info;
    if (this.#receiver && (info.local || !this.#kept)) this.#tell();
  }

  #open(): void {
    for (const frame of this.#kept ?? []) {
      if (this.#end?.local) break;
      this.#receiver!.onFrame(frame);
    }
    this.#kept = undefined;
    if (this.#end && !this.#told) this.#tell();
  }

  #tell(): void {
    this.#told = true;
    this.#receiver!.onClose(this.#end!);
  }
}
