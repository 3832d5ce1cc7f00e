/**
 * A call that runs: what its method can ask about it, how its value or error goes out, and what its end needs.
 *
 * @module
 */

import type { Actor, CallInfo, ClientApi, WorkerInfo } from "../client/types.ts";
import type { InheritedLimits } from "../client/call_session.ts";
import {
  CallCancelledError,
  CallTimeoutError,
  type DecodeContext,
  type Encoded,
  encodeError,
  type Executed,
  type MessageOf,
  SerializationError,
} from "../protocol/mod.ts";
import { isTracing, type Span, startServedSpan } from "../client/tracing.ts";
import type { ActorCounters, CountedCall, MethodCounts } from "./call_counters.ts";
import type { CallerStream } from "./caller_stream.ts";
import type { Context } from "./context.ts";
import type { CodeLimit, IsolateLoop } from "./isolate_loop.ts";
import type { IsolateScope } from "./isolate_scope.ts";
import type { OnStuck } from "./loop_state.ts";
import { sayWhatGrants } from "./not_capable.ts";
import { type MethodGenerator, ResultStream } from "./result_stream.ts";

/** A call that has no answer yet: it runs, or waits for its turn. */
export interface PendingCall {
  /** Its number at the receiver. */
  readonly id: number;
  /** The method or attribute. */
  readonly name: string;
  /** The caller gives it up: it is answered with whether it ran, and the method's signal aborts, or it never starts. */
  cancel(reason: unknown): void;
  /** Its reader says something about its stream: now, or when it has begun. What has no stream has no use for it. */
  onReader(say: (call: ActiveCall) => void): void;
}

/** What makes functions and streams of those that stay with a caller. */
export type LocalMaker = Pick<DecodeContext, "root" | "role" | "owned" | "callable" | "stream">;

/** Who made a call, and gets its answer. */
export interface CallReceiver {
  /** Tells one caller from another: what one called is in order. */
  readonly caller: unknown;
  /** Resolves when what was sent has been read far enough that more can be; `undefined` where it has. */
  readonly room: Promise<void> | undefined;
  /** The value. */
  result(id: number, value: Encoded): void;
  /** One value of a stream. */
  item(id: number, value: Encoded): void;
  /** The error, as an envelope. */
  failure(id: number, executed: Executed, error: Uint8Array): void;
  /** The call did not finish in the turn in which it came. */
  onPending(call: PendingCall): void;
  /** A call that was pending has an answer now, needs none, or is about to start. */
  onSettled(call: PendingCall): void;
  /** What makes functions and streams of arguments that go to `holder`. Good for one value, decoded now. */
  lentTo(holder: string): LocalMaker;
  /** The streams that were made of the last arguments. */
  takeStreams(): readonly CallerStream[];
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

/** No actors wait. */
export const NO_CHAIN: readonly string[] = Object.freeze([]);

/** What runs in an actor's or task's name: a call, a constructor, a dispose hook, a function. */
export class CallContext implements Context, CodeLimit, InheritedLimits {
  /** When whoever waits for it stops waiting, on the isolate's clock; `Infinity` for never. */
  readonly deadline: number;
  /** What waits for this and holds up others, itself among them: `call_chain.ts`. */
  readonly chain: readonly string[];
  readonly onStuck: OnStuck;
  readonly #owner: ContextOwner;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #listeners: Set<(reason: unknown) => void> | undefined;
  #info: CallInfo | undefined;

  /** Of something that may take as long as it likes, unless `limit` says otherwise. */
  constructor(owner: ContextOwner, limit: Partial<CodeLimit> & { readonly chain?: readonly string[] } = {}) {
    this.#owner = owner;
    this.deadline = limit.deadline ?? Infinity;
    this.onStuck = limit.onStuck ?? "abandon";
    this.chain = limit.chain ?? NO_CHAIN;
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
    return this.#info ??= Object.freeze(this.#createInfo());
  }

  /** What calls that are made from here take over from it. */
  get limits(): InheritedLimits {
    return this;
  }

  timeLeft(): number | undefined {
    return this.deadline === Infinity ? undefined : this.deadline - this.#owner.scope.loop.clock.look();
  }

  onAbort(listener: (reason: unknown) => void): () => void {
    if (this.#aborted) listener(this.#aborted.reason);
    const listeners = this.#listeners ??= new Set();
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Tells the method, now or when it asks, and ends what it calls. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    for (const listener of [...this.#listeners ?? []]) listener(reason);
  }

  #createInfo(): CallInfo {
    this.#controller = new AbortController();
    if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    const { signal } = this.#controller;
    const timeLeft = this.timeLeft();
    return timeLeft === undefined ? { signal } : { signal, deadline: Date.now() + timeLeft };
  }
}

/** What an {@linkcode ActiveCall} needs of its actor. */
export interface CallOwner extends ContextOwner {
  /** The loop on which it runs. */
  readonly loop: IsolateLoop;
  /** Counts its calls. */
  readonly counters: ActorCounters;
  /** What is said of a call that runs when the actor has ended; `undefined` while it has not. */
  lost(): Error | undefined;
  /** The call goes on after the turn in which it began. */
  onPending(call: ActiveCall): void;
  /** The caller has been answered. */
  onAnswered(call: ActiveCall): void;
  /** The method has come to its end. */
  onFinished(call: ActiveCall): void;
  /** Something went wrong that no caller will hear of. */
  reportUnhandled(error: unknown): void;
}

/** What a call is made with. */
export interface ActiveCallOptions extends CodeLimit {
  /** As it was called. It keeps nothing of its bytes. */
  readonly message: MessageOf<"call">;
  /** Who gets the answer. */
  readonly receiver: CallReceiver;
  /** As of its context. */
  readonly chain: readonly string[];
  /** How long it has waited for its turn, in milliseconds. */
  readonly waited: number;
  /**
   * Resolves when the scheduler knows who holds what is among its arguments, where it does not yet: its answer, good or
   * bad, lets the caller give that back.
   */
  readonly confirmed: Promise<void> | undefined;
  /** The streams among its arguments. */
  readonly brought: readonly CallerStream[];
}

/** A call that started. */
export class ActiveCall extends CallContext implements PendingCall, CountedCall {
  /** Its number at the receiver. */
  readonly id: number;
  /** The method or attribute. */
  readonly name: string;
  /** Who gets the answer. */
  readonly receiver: CallReceiver;
  counts: MethodCounts | undefined;
  startedAt = 0;
  /** Its trace, where somebody traces. */
  span: Span | undefined;
  readonly waited: number;
  readonly #confirmed: Promise<void> | undefined;
  readonly #owner: CallOwner;
  readonly #brought: readonly CallerStream[];
  readonly #credit: number;
  readonly #timeGiven: number | undefined;
  #stopDeadline: (() => void) | undefined;
  #stream: ResultStream | undefined;
  #bytesOut = 0;
  #answered = false;
  /** Runs something in the trace, where there is one. */
  #traced: (<T>(run: () => T) => T) | undefined;

  /** Starts nothing. */
  constructor(owner: CallOwner, options: ActiveCallOptions) {
    super(owner, options);
    const { message, receiver, brought, waited, confirmed } = options;
    this.#owner = owner;
    this.id = message.id;
    this.name = message.name;
    this.receiver = receiver;
    this.waited = waited;
    this.#confirmed = confirmed;
    this.#brought = brought;
    this.#credit = message.credit ?? 0;
    this.#timeGiven = message.deadline;
    if (!isTracing()) return;
    const names = { className: owner.className, method: this.name, key: owner.key };
    const traced = startServedSpan(names, message.trace, waited);
    this.span = traced?.span;
    this.#traced = traced?.run;
  }

  override get method(): string {
    return this.name;
  }

  override get callId(): number {
    return this.id;
  }

  /** Calls a method, or whatever gives the value. */
  run(method: (...args: never[]) => unknown, target: unknown, args: readonly unknown[]): void {
    let value: unknown;
    try {
      value = this.#apply(method, target, args);
      if (isThenable(value)) return this.#wait(value);
    } catch (error) {
      return this.#confirmed ? this.#wait(Promise.reject(error)) : this.#throw(error);
    }
    if (this.#confirmed) return this.#wait(value);
    this.#succeed(value);
  }

  /** Calls a generator method. */
  stream(method: (...args: never[]) => unknown, target: unknown, args: readonly unknown[]): void {
    let generator: MethodGenerator;
    try {
      generator = this.#apply(method, target, args) as MethodGenerator;
    } catch (error) {
      return this.#throw(error);
    }
    this.#pend();
    this.#stream = new ResultStream({
      generator,
      credit: this.#credit,
      turns: this.#owner.loop.turns,
      room: () => this.receiver.room,
      apply: (method, generator, args) => this.#apply(method, generator, args),
      send: (value) => {
        const encoded = this.#owner.scope.encodeResult(value);
        this.receiver.item(this.id, encoded);
        this.#bytesOut += encoded.bytes.length;
        return encoded.bytes.length;
      },
      onReturned: (value) => {
        this.#whenConfirmed(() => this.#take() && this.#succeed(value));
      },
      onThrown: (error) => {
        this.#whenConfirmed(() => this.#take() && this.#throw(error));
      },
      onLeft: () => this.abort(new CallCancelledError(`The reader of ${this.name} of ${this.holder} has left`)),
      onEnded: (late) => {
        if (late) this.#owner.reportUnhandled(late.error);
        this.#finish();
      },
    });
    this.#stream.goOn();
  }

  cancel(reason: unknown): void {
    const error = new CallCancelledError(`${this.name} of ${this.holder} was cancelled while it ran`, {
      cause: reason,
    });
    this.#giveUp(error);
  }

  onReader(say: (call: ActiveCall) => void): void {
    say(this);
  }

  /** The actor has ended. */
  lose(error: Error): void {
    this.#giveUp(error);
  }

  /** The reader of the stream has taken items. */
  addCredit(count: number): void {
    this.#stream?.addCredit(count);
  }

  /** The reader of the stream does something to its generator. */
  resume(kind: number, value: Uint8Array, refs: readonly string[]): void {
    this.#stream?.resume({ kind, value: this.#owner.scope.decodeFor(this.holder, value, refs) });
  }

  #apply(method: (...args: never[]) => unknown, target: unknown, args: readonly unknown[]): unknown {
    const { loop } = this.#owner;
    if (this.#traced === undefined) return loop.apply(this, this, method, target, args);
    return this.#traced(() => loop.apply(this, this, method, target, args));
  }

  #wait(value: unknown): void {
    this.#pend();
    // `resolve` gives a promise back as it is, and tames every other thenable.
    const outcome = Promise.resolve(value);
    const confirmed = this.#confirmed;
    (confirmed ? outcome.finally(() => confirmed) : outcome).then((result) => {
      if (this.#take()) this.#succeed(result);
      this.#finish();
    }, (error) => {
      if (this.#take()) this.#throw(error);
      this.#finish();
    });
  }

  #whenConfirmed(answer: () => void): void {
    if (this.#confirmed) this.#confirmed.then(answer);
    else answer();
  }

  /** It goes on after this turn. */
  #pend(): void {
    this.#owner.onPending(this);
    this.receiver.onPending(this);
    if (this.deadline === Infinity) return;
    this.#stopDeadline = this.#owner.loop.setDeadline(this, () => {
      const text =
        `${this.name} of ${this.holder} did not finish within the ${this.#timeGiven} ms that its caller gave it`;
      this.#giveUp(new CallTimeoutError(text));
    });
  }

  /** The caller is told an error, and the method that it is not waited for. */
  #giveUp(error: Error): void {
    if (!this.#take()) return;
    this.#owner.counters.gaveUp(this, error instanceof CallTimeoutError, this.#bytesOut);
    this.receiver.failure(this.id, "unknown", encodeError(error));
    this.#leave();
    this.abort(error);
    this.#stream?.stop();
  }

  /** Whether the caller has had no answer: then it gets one now, and no other. */
  #take(): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    this.#stopDeadline?.();
    this.#owner.onAnswered(this);
    this.receiver.onSettled(this);
    return true;
  }

  #succeed(value: unknown): void {
    // Only a method that made its own isolate exit gets here after the end.
    if (this.#owner.lost()) return this.#failLost();
    let encoded: Encoded;
    try {
      encoded = this.#owner.scope.encodeResult(value);
    } catch (error) {
      const found = isIterator(value) ? this.#iteratorError() : error;
      this.#owner.counters.failed(this, found);
      this.receiver.failure(this.id, "yes", encodeError(found));
      return this.#leave();
    }
    this.#owner.counters.finished(this, false, this.#bytesOut + encoded.bytes.length);
    this.receiver.result(this.id, encoded);
    this.#leave();
  }

  #throw(error: unknown): void {
    if (this.#owner.lost()) return this.#failLost();
    this.#owner.counters.failed(this, error);
    const remote = { worker: this.#owner.scope.worker.name, actor: this.holder, method: this.name };
    this.receiver.failure(this.id, "yes", encodeError(sayWhatGrants(error), remote));
    this.#leave();
  }

  #failLost(): void {
    this.#owner.counters.finished(this, false, 0);
    this.receiver.failure(this.id, "unknown", encodeError(this.#owner.lost()));
    this.#leave();
  }

  /** The call is over for its caller: streams that nobody has begun to read are not needed. */
  #leave(): void {
    for (const stream of this.#brought) stream.callEnded();
  }

  #finish(): void {
    this.#owner.counters.returned(this);
    this.#owner.onFinished(this);
  }

  #iteratorError(): SerializationError {
    return new SerializationError(
      `Cannot send the result of ${this.name} of ${this.holder}: it is an iterator. Make ${this.name} a generator method`,
      { code: "RESULT_NOT_SERIALIZABLE", path: "result" },
    );
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value instanceof Promise) return true;
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value as { then?: unknown }).then === "function";
}

function isIterator(value: unknown): boolean {
  if (typeof value !== "object" || value === null || typeof (value as { next?: unknown }).next !== "function") {
    return false;
  }
  return Symbol.iterator in value || Symbol.asyncIterator in value;
}
