/**
 * A call that runs: what its method can ask about it, and what its end needs.
 *
 * @module
 */

import type { Actor, CallInfo, ClientApi, WorkerInfo } from "../client/types.ts";
import type { Encoded, Executed, MessageOf } from "../protocol/mod.ts";
import type { Span } from "../client/tracing.ts";
import type { CountedCall, MethodCounts } from "./call_counters.ts";
import type { Context } from "./context.ts";
import type { IsolateScope } from "./isolate_scope.ts";

/** A call that has no answer yet: it runs, or waits for its turn. */
export interface PendingCall {
  /** Its number at the receiver. */
  readonly id: number;
  /** The method or attribute. */
  readonly name: string;
  /** The caller wants no answer any more: it gets none, and the method's signal aborts, or it never starts. */
  cancel(reason: unknown): void;
}

/** Who made a call, and gets its answer. */
export interface CallReceiver {
  /** The value. */
  result(id: number, value: Encoded): void;
  /** The error, as an envelope. */
  failure(id: number, executed: Executed, error: Uint8Array): void;
  /** The call did not finish in the turn in which it came. */
  onPending(call: PendingCall): void;
  /** A call that was pending has an answer now, needs none, or is about to start. */
  onSettled(call: PendingCall): void;
}

/** The actor or task, as a context shows it. */
export interface ContextOwner {
  /** Its key. */
  readonly key: string;
  /** Its isolate. */
  readonly scope: IsolateScope;
  /** Name of the actor's class; empty for a task. */
  readonly className: string;
  /** The function of a task. */
  readonly method?: string;
  /** A handle of the actor; left out for a task. */
  handle?(): Actor<unknown>;
}

/** What runs in an actor's or task's name: a call, a constructor, a dispose hook, a function. */
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
    return this.#owner.scope.worker;
  }

  /** Key of the actor or task. */
  get holder(): string {
    return this.#owner.key;
  }

  /** Name of the actor's class; empty in a task. */
  get className(): string {
    return this.#owner.className;
  }

  /** The method or function; `undefined` in a constructor or a dispose hook. */
  get method(): string | undefined {
    return this.#owner.method;
  }

  /** Number of the call; `undefined` where there is none. */
  get callId(): number | undefined {
    return undefined;
  }

  /** Key of the actor; `undefined` in a task. */
  get actorKey(): string | undefined {
    return this.#owner.handle === undefined ? undefined : this.#owner.key;
  }

  /** A handle of the actor; `undefined` in a task. */
  get actor(): Actor<unknown> | undefined {
    return this.#owner.handle?.();
  }

  /** The isolate as a client. */
  get client(): ClientApi {
    return this.#owner.scope.session.client;
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
export class ActiveCall extends CallContext implements PendingCall, CountedCall {
  /** Its number at the receiver. */
  readonly id: number;
  /** The method or attribute. */
  readonly name: string;
  /** Who gets the answer. */
  readonly receiver: CallReceiver;
  /** Stops the timer of its deadline, where it has one. */
  stopTimer: (() => void) | undefined;
  counts: MethodCounts | undefined;
  startedAt = 0;
  /** Its trace, where somebody traces. */
  span: Span | undefined;
  readonly waited: number;
  readonly #owner: CallOwner;

  /**
   * Starts nothing.
   *
   * @param waited How long it has waited for its turn, in milliseconds.
   */
  constructor(owner: CallOwner, message: MessageOf<"call">, receiver: CallReceiver, waited: number) {
    super(owner, message.deadline);
    this.#owner = owner;
    this.id = message.id;
    this.name = message.name;
    this.receiver = receiver;
    this.waited = waited;
  }

  override get method(): string {
    return this.name;
  }

  override get callId(): number {
    return this.id;
  }

  cancel(reason: unknown): void {
    this.#owner.cancel(this, reason);
  }
}
