/**
 * The futures of method calls and attribute reads.
 *
 * @module
 */

import { CallCancelledError } from "../protocol/errors.ts";
import { mayLookInside } from "./call_site.ts";
import { ObservedPromise, type ObservedPromiseOptions } from "./observed_promise.ts";
import type { ActorFuture } from "./types.ts";

/** Options of {@linkcode createActorFuture}. The future keeps the object, which may be what the call itself is. */
export interface ActorFutureOptions extends ObservedPromiseOptions {
  /** Its text for people: `<ActorFuture: Counter.increment>`. */
  readonly repr: string;
  /**
   * Told of the first `cancel` while it is unsettled. It rejects the future itself, now or when it knows whether the call
   * ran; without it the future rejects with a `CallCancelledError` of `executed: "unknown"`.
   */
  readonly onCancel?: ((reason: unknown) => void) | undefined;
}

/** A future, and what settles it. Only the first settling counts. */
export interface ActorFutureResolvers<T> {
  /** What the caller gets. */
  readonly future: ActorFuture<T>;
  /** Settles it with a value. */
  resolve(value: T): void;
  /**
   * Settles it with an error. For one that came from elsewhere, `join` is told the stack of the code that awaits the
   * future, if any does and there is time to look: else an empty text.
   */
  reject(error: unknown, join?: (awaiting: string) => void): void;
}

/** Makes the future of one call that is under way. */
export function createActorFuture<T>(options: ActorFutureOptions): ActorFutureResolvers<T> {
  return CallFuture.create(options);
}

/** A future that has failed before anything was sent. */
export function rejectedActorFuture<T>(error: unknown, options: ActorFutureOptions): ActorFuture<T> {
  const resolvers = createActorFuture<T>(options);
  resolvers.reject(error);
  return resolvers.future;
}

class CallFuture<T> extends ObservedPromise<T> implements ActorFuture<T> {
  static create<T>(options: ActorFutureOptions): ActorFutureResolvers<T> {
    return new CallFuture.#Resolvers(new CallFuture<T>(options));
  }

  /** One object instead of a function for each way to settle: there is one for each call. */
  static readonly #Resolvers = class<T> implements ActorFutureResolvers<T> {
    readonly future: CallFuture<T>;

    constructor(future: CallFuture<T>) {
      this.future = future;
    }

    resolve(value: T): void {
      if (!this.future.#isSettled) this.future.fulfil(value);
    }

    reject(error: unknown, join?: (awaiting: string) => void): void {
      const { future } = this;
      if (future.#isSettled) return;
      if (join && mayLookInside()) return future.failFromInside(error, join);
      join?.("");
      future.fail(error);
    }
  };

  readonly #options: ActorFutureOptions;
  #cancelled = false;

  private constructor(options: ActorFutureOptions) {
    super("call", options);
    this.#options = options;
  }

  /** Whether it has settled, or is about to because it was cancelled. */
  override done(): boolean {
    return this.#cancelled || super.done();
  }

  cancel(reason?: unknown): void {
    if (this.done()) return;
    this.#cancelled = true;
    // Whoever cancels knows that it fails.
    this.markObserved();
    if (this.#options.onCancel) return this.#options.onCancel(reason);
    const options = reason === undefined ? {} : { cause: reason };
    this.fail(new CallCancelledError(`${this} was cancelled`, options));
  }

  get #isSettled(): boolean {
    return super.done();
  }

  override toString(): string {
    return this.#options.repr;
  }
}
