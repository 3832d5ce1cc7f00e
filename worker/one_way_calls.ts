/**
 * Calls whose caller wants no answer. It only hears how many of them have ended, so that it knows how many are on their
 * way; and why one failed, so that it can report that.
 *
 * @module
 */

import type { Encoded, Executed, MessageOf } from "../protocol/mod.ts";
import type { CallReceiver, LocalMaker } from "./active_call.ts";
import type { CallerStream } from "./caller_stream.ts";

/** The one-way calls of one caller. */
export class OneWayCalls {
  readonly #caller: CallReceiver;
  readonly #send: (message: MessageOf<"settled">) => void;
  /** What has ended and was not told of, by slot. */
  readonly #ended = new Map<number, { count: number; bytes: number }>();

  /** @param send Sends to the caller. */
  constructor(caller: CallReceiver, send: (message: MessageOf<"settled">) => void) {
    this.#caller = caller;
    this.#send = send;
  }

  /** Who is told what comes of a call. */
  receiverOf({ slot, args }: MessageOf<"call">): CallReceiver {
    return new OneWayReceiver(this.#caller, (error) => this.#end(slot, args.length, error));
  }

  #end(slot: number, bytes: number, error: Uint8Array | undefined): void {
    if (error) return this.#send({ op: "settled", slot, count: 1, bytes, error });
    const ended = this.#ended.get(slot);
    if (ended) {
      ended.count++;
      ended.bytes += bytes;
      return;
    }
    // All that end in this turn are told of together.
    if (this.#ended.size === 0) queueMicrotask(() => this.#tell());
    this.#ended.set(slot, { count: 1, bytes });
  }

  #tell(): void {
    for (const [slot, { count, bytes }] of this.#ended) {
      this.#send({ op: "settled", slot, count, bytes, error: undefined });
    }
    this.#ended.clear();
  }
}

class OneWayReceiver implements CallReceiver {
  readonly #caller: CallReceiver;
  readonly #onEnd: (error: Uint8Array | undefined) => void;

  constructor(caller: CallReceiver, onEnd: (error: Uint8Array | undefined) => void) {
    this.#caller = caller;
    this.#onEnd = onEnd;
  }

  get caller(): unknown {
    return this.#caller.caller;
  }

  /** Nothing is sent that would need any. */
  get room(): undefined {
    return undefined;
  }

  result(_id: number, _value: Encoded): void {
    this.#onEnd(undefined);
  }

  item(): void {}

  failure(_id: number, _executed: Executed, error: Uint8Array): void {
    this.#onEnd(error);
  }

  // It is not the caller's any more, and goes on when the caller leaves.
  onPending(): void {}

  onSettled(): void {}

  lentTo(holder: string): LocalMaker {
    return this.#caller.lentTo(holder);
  }

  takeStreams(): readonly CallerStream[] {
    return this.#caller.takeStreams();
  }
}
