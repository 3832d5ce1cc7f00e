/**
 * The calls of one caller to one actor that wait, in order: the first for the values of futures among its arguments, or
 * until the caller has read what it was sent; the others for it. What other callers call goes past them.
 *
 * @module
 */

import { Lane } from "./mailbox.ts";
import type { QueuedCall } from "./queued_call.ts";
import type { FutureValues } from "./references.ts";

/** What becomes of the calls of a line. */
export interface CallLineOptions {
  /** Who made them. */
  readonly caller: unknown;
  /** The priority that they have in common. */
  readonly priority: number;
  /** A call has all of its values, and its caller room for more. */
  readonly onReady: (call: QueuedCall) => void;
  /** The values of a call are not to be had. */
  readonly onFailed: (call: QueuedCall, error: unknown) => void;
  /** Nothing waits any more. */
  readonly onEmpty: (line: CallLine) => void;
}

/** The calls of one caller to one actor, of one priority, that wait for values or for room. */
export class CallLine {
  /** Who made them. */
  readonly caller: unknown;
  /** The priority that they have in common. */
  readonly priority: number;
  readonly #options: CallLineOptions;
  readonly #waiting: Lane<QueuedCall>;
  /** What is known of those that wait. */
  readonly #ready = new Map<QueuedCall, { readonly error: unknown } | undefined>();
  /** What is waited for until the caller can be sent more. */
  #room: Promise<void> | undefined;

  /** An empty line. */
  constructor(options: CallLineOptions) {
    this.caller = options.caller;
    this.priority = options.priority;
    this.#options = options;
    this.#waiting = new Lane(options.priority);
  }

  /** Puts a call at the end. It waits for its turn, and for its values. */
  add(call: QueuedCall, values: FutureValues | Promise<FutureValues>): void {
    this.#waiting.push(call);
    if (!(values instanceof Promise)) return this.#settle(call, values);
    values.then((values) => this.#settle(call, values), (error) => this.#settle(call, undefined, { error }));
  }

  /** Puts calls back at the front that were on their way to start: their caller has no room for more. */
  putBack(calls: readonly QueuedCall[]): void {
    for (const call of calls.toReversed()) {
      this.#waiting.unshift(call);
      this.#ready.set(call, undefined);
    }
    this.#advance();
  }

  /** Takes a call out; `false` where it is not in this line. */
  remove(call: QueuedCall): boolean {
    if (call.lane !== this.#waiting) return false;
    const isFirst = this.#waiting.first === call;
    this.#take(call);
    if (isFirst) this.#advance();
    return true;
  }

  #settle(call: QueuedCall, values: FutureValues | undefined, failure?: { readonly error: unknown }): void {
    // One that was cancelled meanwhile is nobody's turn.
    if (call.lane !== this.#waiting) return;
    if (values) call.values = values;
    this.#ready.set(call, failure);
    this.#advance();
  }

  #advance(): void {
    for (let call = this.#waiting.first; call && this.#mayGo(call); call = this.#waiting.first) {
      const failure = this.#ready.get(call);
      this.#take(call);
      if (failure) this.#options.onFailed(call, failure.error);
      else this.#options.onReady(call);
    }
    if (this.#waiting.first === undefined) this.#options.onEmpty(this);
  }

  #mayGo(call: QueuedCall): boolean {
    if (!this.#ready.has(call)) return false;
    const { room } = call.receiver;
    if (room === undefined) return true;
    if (this.#room !== room) {
      this.#room = room;
      room.then(() => this.#advance());
    }
    return false;
  }

  #take(call: QueuedCall): void {
    this.#waiting.remove(call);
    this.#ready.delete(call);
  }
}
