/**
 * A call that waits: for the values of futures among its arguments, or for its turn.
 *
 * @module
 */

import type { MessageOf } from "../protocol/mod.ts";
import type { ActiveCall, CallReceiver, PendingCall } from "./active_call.ts";
import { keepBytes } from "./kept_bytes.ts";
import type { Lane, Letter } from "./mailbox.ts";
import { type FutureValues, NO_VALUES } from "./references.ts";

/** What a call waits in. */
export interface Withdrawing {
  /** A call's caller does not want it any more. */
  withdraw(call: QueuedCall, reason: unknown): void;
}

/** A call that has not started. */
export class QueuedCall implements PendingCall, Letter<QueuedCall> {
  /** What was called. */
  readonly message: MessageOf<"call">;
  /** Who called. */
  readonly receiver: CallReceiver;
  /** When it came, on the isolate's clock. */
  readonly since: number;
  /** When its caller stops waiting, on the same clock; `Infinity` for never. */
  readonly deadline: number;
  /** Higher ones go first. */
  readonly priority: number;
  /** The values of the futures among its arguments, once they are there. */
  values: FutureValues = NO_VALUES;
  /** Stops the timer of its deadline. */
  stopDeadline: () => void = doNothing;
  previous: QueuedCall | undefined;
  next: QueuedCall | undefined;
  lane: Lane<QueuedCall> | undefined;
  /** What its reader has said already: a reader that takes one item at a time asks for the first with the call itself. */
  said: ((call: ActiveCall) => void)[] | undefined;
  readonly #queue: Withdrawing;

  /** @param queue Told where its caller does not want it any more. */
  constructor(message: MessageOf<"call">, receiver: CallReceiver, since: number, queue: Withdrawing) {
    // The bytes are a view of a frame: they must not keep all of it.
    this.message = { ...message, args: keepBytes(message.args) };
    this.receiver = receiver;
    this.since = since;
    this.deadline = message.deadline === undefined ? Infinity : since + message.deadline;
    this.priority = message.priority ?? NO_PRIORITY;
    this.#queue = queue;
  }

  get id(): number {
    return this.message.id;
  }

  get name(): string {
    return this.message.name;
  }

  onReader(say: (call: ActiveCall) => void): void {
    (this.said ??= []).push(say);
  }

  cancel(reason: unknown): void {
    this.#queue.withdraw(this, reason);
  }
}

/** What no priority at all is on the wire. */
const NO_PRIORITY = 2 ** 31;

function doNothing(): void {}
