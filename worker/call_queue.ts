/**
 * The calls of one actor that wait: for values among their arguments, and then for room and their turn. Those of a caller
 * that does not read its answers wait until it does.
 *
 * @module
 */

import type { MessageOf } from "../protocol/mod.ts";
import type { CallReceiver } from "./active_call.ts";
import { CallLine } from "./call_line.ts";
import { tooLate, withdrawn } from "./call_refusals.ts";
import type { IsolateLoop } from "./isolate_loop.ts";
import { Mailbox } from "./mailbox.ts";
import { QueuedCall, type Withdrawing } from "./queued_call.ts";
import { type FutureValues, NO_VALUES } from "./references.ts";

/** Options of {@linkcode CallQueue}. */
export interface CallQueueOptions {
  /** Key of the actor. */
  readonly key: string;
  /** The loop on which it lives. */
  readonly loop: IsolateLoop;
  /** Gets the values of the futures among arguments. */
  readonly prepare: (args: Uint8Array, refs: readonly string[]) => FutureValues | Promise<FutureValues>;
  /** A call can start as soon as there is room. */
  readonly onReady: () => void;
  /** A call waits no more: it starts next, or was refused with an error. */
  readonly onLeft: (call: QueuedCall, refusal?: { readonly error: unknown }) => void;
}

/** All calls of one actor that wait. */
export class CallQueue implements Withdrawing {
  readonly #options: CallQueueOptions;
  readonly #mailbox = new Mailbox<QueuedCall>();
  /** Callers with calls that wait for values, or for the caller. */
  readonly #lines: CallLine[] = [];
  /** Everything in the mailbox and the lines, the oldest first. */
  readonly #calls = new Set<QueuedCall>();
  #bytes = 0;

  /** Nothing waits. */
  constructor(options: CallQueueOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get size(): number {
    return this.#calls.size;
  }

  /** Bytes of the arguments of those that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** For how long the oldest has waited, in milliseconds. */
  get age(): number {
    const [oldest] = this.#calls;
    return oldest ? this.#options.loop.clock.now() - oldest.since : 0;
  }

  /** Whether one of them could start now. */
  get ready(): boolean {
    return this.#mailbox.size > 0;
  }

  /** A call has to wait. It goes behind those of its priority, and not ahead of an earlier one of its caller. */
  add(message: MessageOf<"call">, receiver: CallReceiver): void {
    const { loop, key } = this.#options;
    const call = new QueuedCall(message, receiver, loop.clock.began(), this);
    this.#calls.add(call);
    this.#bytes += call.message.args.length;
    receiver.onPending(call);
    if (call.deadline !== Infinity) {
      call.stopDeadline = loop.setTimer(call.deadline, () => this.#refuse(call, tooLate(key, call.message)));
    }
    this.#lineUp(call);
  }

  withdraw(call: QueuedCall, reason: unknown): void {
    this.#refuse(call, withdrawn(this.#options.key, call.name, reason));
  }

  /** Takes out the call whose turn it is; `undefined` where none can start. */
  next(): QueuedCall | undefined {
    const { loop, key } = this.#options;
    for (let call = this.#mailbox.shift(); call; call = this.#mailbox.shift()) {
      // Its timer may not have had its turn yet.
      if (call.deadline !== Infinity && call.deadline <= loop.clock.look()) {
        this.#refuse(call, tooLate(key, call.message));
      } else if (call.receiver.room === undefined) {
        this.#leave(call);
        return call;
      } else {
        this.#holdBack(call);
      }
    }
    return undefined;
  }

  /** Refuses all. */
  end(error: () => Error): void {
    for (const call of [...this.#calls]) this.#refuse(call, error());
  }

  /** Waits for values, where it has to or an earlier call of its caller does; else in the mailbox. */
  #lineUp(call: QueuedCall): void {
    const { message, receiver, priority } = call;
    const { caller } = receiver;
    const line = this.#lineOf(caller, priority);
    const values = message.refs.length === 0 ? NO_VALUES : this.#prepare(message);
    if (line === undefined && !(values instanceof Promise)) {
      call.values = values;
      return this.#post(call);
    }
    (line ?? this.#openLine(caller, priority)).add(call, values);
  }

  /** The first of a caller that cannot be sent an answer: it and all that are behind it wait, ahead of those that do already. */
  #holdBack(first: QueuedCall): void {
    const { priority, receiver: { caller } } = first;
    const behind = this.#mailbox.takeAll((call) => call.priority === priority && call.receiver.caller === caller);
    (this.#lineOf(caller, priority) ?? this.#openLine(caller, priority)).putBack([first, ...behind]);
  }

  #lineOf(caller: unknown, priority: number): CallLine | undefined {
    return this.#lines.find((line) => line.caller === caller && line.priority === priority);
  }

  #prepare({ args, refs }: MessageOf<"call">): FutureValues | Promise<FutureValues> {
    try {
      return this.#options.prepare(args, refs);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #openLine(caller: unknown, priority: number): CallLine {
    const line = new CallLine({
      caller,
      priority,
      onReady: (call) => this.#post(call),
      onFailed: (call, error) => this.#refuse(call, error),
      onEmpty: (line) => {
        const place = this.#lines.indexOf(line);
        if (place >= 0) this.#lines.splice(place, 1);
      },
    });
    this.#lines.push(line);
    return line;
  }

  #post(call: QueuedCall): void {
    this.#mailbox.push(call);
    this.#options.onReady();
  }

  #refuse(call: QueuedCall, error: unknown): void {
    if (!this.#calls.has(call)) return;
    if (!this.#mailbox.remove(call)) this.#lines.find((line) => line.remove(call));
    this.#leave(call, { error });
  }

  #leave(call: QueuedCall, refusal?: { readonly error: unknown }): void {
    this.#calls.delete(call);
    this.#bytes -= call.message.args.length;
    call.stopDeadline();
    call.receiver.onSettled(call);
    this.#options.onLeft(call, refusal);
  }
}
