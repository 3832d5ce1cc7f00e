/**
 * The calls of one caller to one actor that wait, in order: the first for the values of futures among its arguments, the
 * others for it. What other callers call goes past them.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { MessageOf } from "../protocol/mod.ts";
import type { CallReceiver, PendingCall } from "./active_call.ts";
import type { ActorCounters } from "./call_counters.ts";
import type { FutureValues } from "./references.ts";

/** What becomes of the calls of a line. */
export interface CallLineOptions {
  /** Who made them. */
  readonly receiver: CallReceiver;
  /** The time. */
  readonly clock: Clock;
  /** Starts a call whose turn has come. Its deadline is what is left of it. */
  readonly start: (message: MessageOf<"call">, values: FutureValues, waited: number) => void;
  /** Refuses one: its futures failed, or, with no error given, its deadline has passed. */
  readonly refuse: (message: MessageOf<"call">, error: unknown) => void;
  /** Nothing waits any more. */
  readonly onEmpty: () => void;
  /** Counts those that wait. */
  readonly counters: ActorCounters;
  /** Whether calls of a name are counted: those of members that are there. */
  readonly isCounted: (name: string) => boolean;
}

/** The calls of one caller to one actor that wait. */
export class CallLine {
  readonly #options: CallLineOptions;
  readonly #waiting: WaitingCall[] = [];
  #advancing = false;

  /** An empty line. */
  constructor(options: CallLineOptions) {
    this.#options = options;
  }

  /** Puts a call at the end. It waits for its turn, and for its values. */
  add(message: MessageOf<"call">, values: FutureValues | Promise<FutureValues>): void {
    const { clock, receiver } = this.#options;
    const call = new WaitingCall(message, clock.now(), (call) => this.#leave(call));
    this.#waiting.push(call);
    if (this.#options.isCounted(call.name)) this.#options.counters.queued(call.name);
    receiver.onPending(call);
    const { deadline } = message;
    if (deadline !== undefined) {
      call.stopTimer = clock.setTimer(deadline, () => {
        if (this.#leave(call)) this.#options.refuse(message, undefined);
      });
    }
    if (!(values instanceof Promise)) {
      call.ready = { values };
      return this.#advance();
    }
    const settle = (ready: Ready) => {
      call.ready = ready;
      // One that was cancelled meanwhile is nobody's turn.
      if (this.#waiting.includes(call)) this.#advance();
    };
    values.then((values) => settle({ values }), (error) => settle({ error }));
  }

  /** Refuses all that wait. */
  end(error: () => Error): void {
    for (const call of [...this.#waiting]) if (this.#take(call)) this.#options.refuse(call.message, error());
    this.#options.onEmpty();
  }

  #advance(): void {
    // A call that starts may cancel another.
    if (this.#advancing) return;
    this.#advancing = true;
    for (let call = this.#waiting[0]; call?.ready !== undefined; call = this.#waiting[0]) {
      this.#take(call);
      if (call.ready.values === undefined) this.#options.refuse(call.message, call.ready.error);
      else this.#options.start(this.#late(call), call.ready.values, this.#options.clock.now() - call.since);
    }
    this.#advancing = false;
    if (this.#waiting.length === 0) this.#options.onEmpty();
  }

  #leave(call: WaitingCall): boolean {
    const first = this.#waiting[0] === call;
    const taken = this.#take(call);
    if (taken && first) this.#advance();
    return taken;
  }

  #take(call: WaitingCall): boolean {
    const index = this.#waiting.indexOf(call);
    if (index < 0) return false;
    this.#waiting.splice(index, 1);
    call.stopTimer?.();
    if (this.#options.isCounted(call.name)) this.#options.counters.unqueued(call.name);
    this.#options.receiver.onSettled(call);
    return true;
  }

  #late({ message, since }: WaitingCall): MessageOf<"call"> {
    const { deadline } = message;
    if (deadline === undefined) return message;
    return { ...message, deadline: Math.max(0, Math.ceil(deadline - (this.#options.clock.now() - since))) };
  }
}

/** What a call waited for. */
type Ready = { readonly values: FutureValues } | { readonly values?: undefined; readonly error: unknown };

class WaitingCall implements PendingCall {
  readonly message: MessageOf<"call">;
  /** When it came. */
  readonly since: number;
  readonly cancel: () => void;
  ready: Ready | undefined;
  stopTimer: (() => void) | undefined;

  constructor(message: MessageOf<"call">, since: number, leave: (call: WaitingCall) => void) {
    // The bytes may be a view of a frame whose buffer is used again.
    this.message = { ...message, args: message.args.slice() };
    this.since = since;
    this.cancel = () => leave(this);
  }

  get id(): number {
    return this.message.id;
  }

  get name(): string {
    return this.message.name;
  }
}
