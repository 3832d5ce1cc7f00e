/**
 * A call that runs: what its method can ask about it, and what its end needs.
 *
 * @module
 */

import type { CallInfo, WorkerInfo } from "../client/types.ts";
import type { Encoded, Executed, MessageOf } from "../protocol/mod.ts";
import type { Context } from "./context.ts";

/** Who made a call, and gets its answer. */
export interface CallReceiver {
  /** The value. */
  result(id: number, value: Encoded): void;
  /** The error, as an envelope. */
  failure(id: number, executed: Executed, error: Uint8Array): void;
  /** The call did not finish in the turn in which it started. */
  onPending(call: ActiveCall): void;
  /** A call that was pending has an answer now, or needs none. */
  onSettled(call: ActiveCall): void;
}

/** The actor, as a context shows it. */
export interface ContextOwner {
  /** Its key. */
  readonly key: string;
  /** Its worker. */
  readonly worker: WorkerInfo;
}

/** What runs in an actor's name: a call, its constructor, its dispose hook. */
export class CallContext implements Context {
  readonly #owner: ContextOwner;
  readonly #deadline: number | undefined;
  #controller: AbortController | undefined;
  #info: CallInfo | undefined;

  /** @param timeLeft Milliseconds until the caller stops waiting; absent where it does not. */
  constructor(owner: ContextOwner, timeLeft?: number) {
    this.#owner = owner;
    this.#deadline = timeLeft === undefined ? undefined : Date.now() + timeLeft;
  }

  /** The worker. */
  get worker(): WorkerInfo {
    return this.#owner.worker;
  }

  /** Key of the actor. */
  get actorKey(): string {
    return this.#owner.key;
  }

  /** Made when the method asks for it, as hardly any does. */
  get call(): CallInfo {
    return this.#info ??= Object.freeze(
      this.#deadline === undefined ? { signal: this.#signal } : { signal: this.#signal, deadline: this.#deadline },
    );
  }

  /** Tells the method, now or when it asks. */
  abort(reason: unknown): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }

  get #signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }
}

/** What an {@linkcode ActiveCall} needs of its actor. */
export interface CallOwner extends ContextOwner {
  /** Forgets a call that is under way. */
  cancel(call: ActiveCall, reason: unknown): void;
}

/** A call that started. It keeps nothing of its message's bytes. */
export class ActiveCall extends CallContext {
  /** Its number at the receiver. */
  readonly id: number;
  /** The method or attribute. */
  readonly name: string;
  /** Who gets the answer. */
  readonly receiver: CallReceiver;
  /** Stops the timer of its deadline, where it has one. */
  stopTimer: (() => void) | undefined;
  readonly #owner: CallOwner;

  /** Starts nothing. */
  constructor(owner: CallOwner, message: MessageOf<"call">, receiver: CallReceiver) {
    super(owner, message.deadline);
    this.#owner = owner;
    this.id = message.id;
    this.name = message.name;
    this.receiver = receiver;
  }

  /** The caller wants no answer any more: it gets none, and the method's signal aborts. */
  cancel(reason: unknown): void {
    this.#owner.cancel(this, reason);
  }
}
